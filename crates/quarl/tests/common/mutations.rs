//! Damaged versions of a file: what a full disk, a bad cable or a malicious author leaves.
#![allow(dead_code, reason = "each file uses its part")]

/// A random generator (splitmix64), so that a failure can be repeated.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Damaged versions of `original`, each with a name: cut, with flipped bits, with sizes of terabytes, with numbers that are none,
/// with lines repeated, removed and joined, of other versions, and of other contents altogether.
pub(crate) fn all(original: &[u8], seed: u64) -> Vec<(String, Vec<u8>)> {
    let mut random = Random(seed);
    let len = original.len();
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let powers = (0..).map(|i| 1_usize << i).take_while(|end| *end < len);
    let ends = (0..12).chain(powers).chain((1..10).map(|i| i * len / 10)).chain(len.saturating_sub(12)..len);
    found.extend(ends.filter(|end| *end < len).map(|end| (format!("cut to {end}"), original[..end].to_vec())));
    for _ in 0..25 {
        let mut bytes = original.to_vec();
        let flips = 1 + random.below(4);
        for _ in 0..flips {
            if let Some(byte) = bytes.get_mut(random.below(len)) {
                *byte ^= 1 << random.below(8);
            }
        }
        found.push(("bits flipped".to_owned(), bytes));
    }
    for value in [0xff, 0x00] {
        for width in [4, 8] {
            let places = (0..len.min(64)).step_by(width).chain((0..10).map(|_| random.below(len)));
            for at in places.filter(|at| at + width <= len) {
                let mut bytes = original.to_vec();
                bytes[at..at + width].fill(value);
                found.push((format!("{width} bytes of {value:#04x} at {at}"), bytes));
            }
        }
    }
    let not_a_number = f32::NAN.to_le_bytes();
    let filled = |from: usize| {
        let mut bytes = original.to_vec();
        bytes[from..].iter_mut().enumerate().for_each(|(i, byte)| *byte = not_a_number[i % 4]);
        bytes
    };
    found.push(("NaN from the middle on".to_owned(), filled(len / 2)));
    found.push(("NaN throughout".to_owned(), filled(0)));
    found.push(("twice".to_owned(), original.repeat(2)));
    found.push(("with bytes behind".to_owned(), [original, b"\0\0\0\0more"].concat()));
    if let Ok(text) = std::str::from_utf8(original) {
        found.extend(text_mutations(text, &mut random));
    }
    for (name, bytes) in [
        ("brackets without end", vec![b'['; 200_000]),
        ("braces without end", br#"{"a":"#.repeat(50_000)),
        ("a long line", vec![b'7'; 1 << 20]),
        ("zeros", vec![0; 100_000]),
        ("ones", vec![0xff; 100_000]),
    ] {
        found.push((name.to_owned(), bytes));
    }
    found
}

fn text_mutations(text: &str, random: &mut Random) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let numbers: Vec<(usize, usize)> = number_ranges(text);
    const OTHERS: [&str; 12] = [
        "NaN",
        "inf",
        "-inf",
        "1e999",
        "-1",
        "0",
        "1e308",
        "-1e308",
        "18446744073709551615",
        "9223372036854775807",
        "0.1",
        "1000000000000",
    ];
    for _ in 0..50 {
        if numbers.is_empty() {
            break;
        }
        let (start, end) = numbers[random.below(numbers.len())];
        let other = OTHERS[random.below(OTHERS.len())];
        found.push((format!("{other} at {start}"), [&text[..start], other, &text[end..]].concat().into_bytes()));
    }
    // Every number at once.
    for other in ["NaN", "1e308", "0", "-1"] {
        let (mut all, mut last) = (String::new(), 0);
        for (start, end) in &numbers {
            all += &text[last..*start];
            all += other;
            last = *end;
        }
        found.push((format!("every number {other}"), (all + &text[last..]).into_bytes()));
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for _ in 0..12 {
        let (i, j) = (random.below(lines.len()), random.below(lines.len()));
        let mut changed = lines.clone();
        match random.below(3) {
            0 => changed.swap(i, j),
            1 => drop(changed.remove(i)),
            _ => changed.insert(i, lines[j]),
        }
        found.push((format!("lines {i} and {j} moved"), changed.concat().into_bytes()));
    }
    found
}

/// The ranges of the numbers in a text.
fn number_ranges(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let (mut ranges, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let len = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        let starts_a_word = at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        if len > 0 && starts_a_word && bytes[at].is_ascii_digit() {
            ranges.push((at, at + len));
        }
        at += len.max(1);
    }
    ranges
}
