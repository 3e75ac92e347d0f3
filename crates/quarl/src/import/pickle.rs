//! A reader of the pickles that `torch.save` writes for a dictionary of tensors.
//!
//! A pickle is a program for a stack machine that can call any function of Python. This reader knows three names, which it treats as
//! data: `collections.OrderedDict`, `torch._utils._rebuild_tensor_v2` and `torch.FloatStorage`. Any other name, and any opcode that
//! `torch.save` does not use, is an error. Nothing is called.

use std::rc::Rc;

use super::zip::shown;

/// The largest number of opcodes; a network of a hundred layers needs 10,000.
const MOST_OPCODES: usize = 1 << 17;
/// The largest depth of tuples in tuples; `torch.save` needs three.
const DEEPEST: usize = 8;

/// A tensor: where its numbers are in a storage.
#[derive(Debug, PartialEq)]
pub(super) struct PickledTensor {
    pub(super) storage: Rc<str>,
    /// The number of numbers in the storage.
    pub(super) storage_len: usize,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// Tensors with their names, in the order of the file.
pub(super) type Tensors = Vec<(Rc<str>, Rc<PickledTensor>)>;

/// The names that may occur.
const NAMES: [(&str, &str, Global); 3] = [
    ("collections", "OrderedDict", Global::OrderedDict),
    ("torch._utils", "_rebuild_tensor_v2", Global::RebuildTensor),
    ("torch", "FloatStorage", Global::FloatStorage),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Global {
    OrderedDict,
    RebuildTensor,
    FloatStorage,
}

#[derive(Clone, Debug)]
enum Value {
    Mark,
    /// `None` or a truth value.
    Constant,
    Integer(i64),
    Text(Rc<str>),
    Global(Global),
    /// With its depth, which is limited, so that dropping it cannot exhaust the stack.
    Tuple(Rc<[Value]>, usize),
    /// A dictionary. Only its tensors with a text as their key are kept.
    Dictionary(Tensors),
    Storage(Rc<str>, usize),
    Tensor(Rc<PickledTensor>),
}

/// The tensors of a pickled dictionary, in its order.
///
/// # Errors
/// A sentence that describes what is wrong with the pickle.
pub(super) fn read(bytes: &[u8]) -> Result<Tensors, String> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), memo: Vec::new() };
    for _ in 0..MOST_OPCODES {
        if let Some(tensors) = machine.step()? {
            return Ok(tensors);
        }
    }
    Err("its pickle is too long".to_owned())
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Values by their number. `torch.save` numbers them from 0.
    memo: Vec<Value>,
}

fn damaged() -> String {
    "its pickle is damaged".to_owned()
}

impl<'a> Machine<'a> {
    /// Carries out one opcode. Returns the tensors at the end.
    fn step(&mut self) -> Result<Option<Tensors>, String> {
        let opcode = self.number(1)? as u8;
        match opcode {
            // PROTO
            0x80 => match self.number(1)? {
                2 => {}
                version => return Err(format!("its pickle has protocol {version}; torch.save uses protocol 2")),
            },
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let known = NAMES.iter().find(|(of, known, _)| (*of, *known) == (module, name));
                let Some((_, _, global)) = known else { return Err(unknown(module, name)) };
                self.stack.push(Value::Global(*global));
            }
            b'(' => self.stack.push(Value::Mark),
            b')' => self.tuple(Vec::new())?,
            0x85..=0x87 => {
                let at = self.stack.len().checked_sub(usize::from(opcode - 0x84)).ok_or_else(damaged)?;
                let items = self.stack.split_off(at);
                self.tuple(items)?;
            }
            b't' => {
                let items = self.marked()?;
                self.tuple(items)?;
            }
            b'}' => self.stack.push(Value::Dictionary(Vec::new())),
            b'N' | 0x88 | 0x89 => self.stack.push(Value::Constant),
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => {
                let number = self.number(4)? as u32;
                self.stack.push(Value::Integer(i64::from(number.cast_signed())));
            }
            // LONG1
            0x8a => {
                let len = self.number(1)? as usize;
                if len == 8 && self.bytes.get(self.at + 7).is_some_and(|byte| *byte >= 0x80) || len > 8 {
                    return Err("its pickle has a number that is too large".to_owned());
                }
                self.integer(len)?;
            }
            b'X' => {
                let len = self.number(4)? as usize;
                let text = std::str::from_utf8(self.take(len)?).map_err(|_| damaged())?;
                self.stack.push(Value::Text(text.into()));
            }
            b'q' => self.put(1)?,
            b'r' => self.put(4)?,
            b'h' => self.get(1)?,
            b'j' => self.get(4)?,
            // BINPERSID
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            b's' => {
                let items = self.stack.split_off(self.stack.len().checked_sub(2).ok_or_else(damaged)?);
                self.set_items(items)?;
            }
            b'u' => {
                let items = self.marked()?;
                self.set_items(items)?;
            }
            // BUILD sets attributes of the dictionary, its metadata, which are not needed.
            b'b' => {
                self.stack.pop();
                if !matches!(self.stack.last(), Some(Value::Dictionary(_))) {
                    return Err(damaged());
                }
            }
            b'.' => {
                let result = self.stack.pop();
                return match result {
                    Some(Value::Dictionary(tensors)) if self.stack.is_empty() && self.at == self.bytes.len() => {
                        Ok(Some(tensors))
                    }
                    _ => Err("its pickle is not a dictionary of tensors".to_owned()),
                };
            }
            other => {
                return Err(format!(
                    "its pickle has the opcode {other:#04x}, which torch.save does not use for tensors"
                ));
            }
        }
        Ok(None)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let taken = &self.bytes[self.at..end.ok_or("its pickle is cut short")?];
        self.at += len;
        Ok(taken)
    }

    fn number(&mut self, len: usize) -> Result<u64, String> {
        Ok(self.take(len)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn integer(&mut self, len: usize) -> Result<(), String> {
        let number = self.number(len)?;
        self.stack.push(Value::Integer(i64::try_from(number).map_err(|_| damaged())?));
        Ok(())
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let len = self.bytes[self.at..].iter().position(|byte| *byte == b'\n').ok_or("its pickle is cut short")?;
        let line = std::str::from_utf8(self.take(len)?).map_err(|_| damaged())?;
        self.at += 1;
        Ok(line)
    }

    fn tuple(&mut self, items: Vec<Value>) -> Result<(), String> {
        let depth = |item: &Value| if let Value::Tuple(_, depth) = item { *depth } else { 0 };
        let depth = 1 + items.iter().map(depth).max().unwrap_or(0);
        if depth > DEEPEST {
            return Err("its pickle has tuples in tuples beyond those of torch.save".to_owned());
        }
        self.stack.push(Value::Tuple(items.into(), depth));
        Ok(())
    }

    /// The values above the last mark, which is removed.
    fn marked(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.stack.iter().rposition(|value| matches!(value, Value::Mark)).ok_or_else(damaged)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    /// Remembers the value on top of the stack.
    fn put(&mut self, len: usize) -> Result<(), String> {
        let index = self.number(len)? as usize;
        let value = match self.stack.last() {
            None | Some(Value::Mark) => return Err(damaged()),
            // A dictionary is filled after it was remembered, and torch.save uses none twice.
            Some(Value::Dictionary(_)) => Value::Mark,
            Some(value) => value.clone(),
        };
        match index.checked_sub(self.memo.len()) {
            Some(0) => self.memo.push(value),
            Some(_) => return Err(damaged()),
            None => self.memo[index] = value,
        }
        Ok(())
    }

    fn get(&mut self, len: usize) -> Result<(), String> {
        let index = self.number(len)? as usize;
        match self.memo.get(index) {
            None => Err(damaged()),
            Some(Value::Mark) => Err("its pickle uses a dictionary twice".to_owned()),
            Some(value) => {
                self.stack.push(value.clone());
                Ok(())
            }
        }
    }

    /// `('storage', torch.FloatStorage, '0', 'cpu', 128)`.
    fn storage(&mut self) -> Result<(), String> {
        let Some(Value::Tuple(items, _)) = self.stack.pop() else { return Err(damaged()) };
        let [
            Value::Text(kind),
            Value::Global(Global::FloatStorage),
            Value::Text(key),
            Value::Text(_),
            Value::Integer(len),
        ] = &items[..]
        else {
            return Err(damaged());
        };
        let len = usize::try_from(*len).map_err(|_| damaged())?;
        if &**kind != "storage" {
            return Err(damaged());
        }
        self.stack.push(Value::Storage(Rc::clone(key), len));
        Ok(())
    }

    /// `OrderedDict()` or `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)`.
    fn call(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.stack.pop(), self.stack.pop());
        let (Some(Value::Tuple(arguments, _)), Some(Value::Global(function))) = (arguments, function) else {
            return Err(damaged());
        };
        let value = match (function, &arguments[..]) {
            (Global::OrderedDict, []) => Value::Dictionary(Vec::new()),
            (
                Global::RebuildTensor,
                [
                    Value::Storage(storage, storage_len),
                    Value::Integer(offset),
                    Value::Tuple(shape, _),
                    Value::Tuple(strides, _),
                    Value::Constant,
                    Value::Dictionary(_),
                ],
            ) => Value::Tensor(Rc::new(PickledTensor {
                storage: Rc::clone(storage),
                storage_len: *storage_len,
                offset: usize::try_from(*offset).map_err(|_| damaged())?,
                shape: sizes(shape)?,
                strides: sizes(strides)?,
            })),
            _ => return Err(damaged()),
        };
        self.stack.push(value);
        Ok(())
    }

    /// Sets pairs of keys and values in the dictionary on top of the stack.
    fn set_items(&mut self, items: Vec<Value>) -> Result<(), String> {
        let Some(Value::Dictionary(tensors)) = self.stack.last_mut() else { return Err(damaged()) };
        if !items.len().is_multiple_of(2) {
            return Err(damaged());
        }
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            match (key, value) {
                (Value::Text(key), Value::Tensor(tensor)) => tensors.push((key, tensor)),
                // The metadata: a dictionary of dictionaries of version numbers.
                (Value::Text(_), Value::Dictionary(inner)) if inner.is_empty() => {}
                (Value::Text(_), Value::Integer(_)) => {}
                _ => return Err("its pickle is not a dictionary of tensors".to_owned()),
            }
        }
        Ok(())
    }
}

fn sizes(values: &[Value]) -> Result<Vec<usize>, String> {
    const MOST_DIMENSIONS: usize = 8;
    if values.len() > MOST_DIMENSIONS {
        return Err(format!("its pickle has a tensor of {} dimensions", values.len()));
    }
    let size = |value: &Value| match value {
        Value::Integer(size) => usize::try_from(*size).map_err(|_| damaged()),
        _ => Err(damaged()),
    };
    values.iter().map(size).collect()
}

fn unknown(module: &str, name: &str) -> String {
    if module == "torch" && name.ends_with("Storage") {
        return format!("it has tensors of {}; quarl reads 32-bit floating-point numbers", shown(name));
    }
    format!(
        "its pickle names {}.{}, which a dictionary of tensors does not need; pickles are not executed",
        shown(module),
        shown(name)
    )
}
