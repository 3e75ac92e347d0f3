//! Learning curves of other programs: tables of episodes, one row for each.

use std::collections::HashMap;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::Run;
use crate::error::Error;
use crate::files;

/// The runs of a table, and its environment if the table names it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Episodes {
    pub(super) runs: Vec<Run>,
    pub(super) env: Option<String>,
}

/// The columns of a table.
struct Columns {
    total_reward: usize,
    run: Option<usize>,
    env_steps: Option<usize>,
    length: Option<usize>,
}

/// Reads a table of comma-separated values with a header. It needs a column `return`; rows with the same `run` (or `seed`)
/// are one run, in the order of its episodes. `env_steps` is the number of environment steps up to the end of the episode,
/// `length` the number of those in it. `r` and `l` are the names in Stable-Baselines3's `monitor.csv`, whose first line
/// names the environment. Other columns are ignored.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::File`] with the line that is wrong.
pub(super) fn read(path: &Path) -> Result<Episodes, Error> {
    let text = files::read_text(path)?;
    parse(&text).map_err(|message| Error::File { path: path.to_owned(), message })
}

fn parse(text: &str) -> Result<Episodes, String> {
    let mut reader = ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let columns = Columns::of(reader.headers().map_err(|error| error.to_string())?)?;
    let mut runs: Vec<Run> = Vec::new();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for row in reader.records() {
        let row = row.map_err(|error| error.to_string())?;
        let line = row.position().map_or(0, csv::Position::line);
        let name = columns.run.map_or("", |run| &row[run]);
        let at = *numbers.entry(name.to_owned()).or_insert_with(|| {
            runs.push(Run::default());
            runs.len() - 1
        });
        columns.add(&row, &mut runs[at]).map_err(|message| format!("line {line}: {message}"))?;
    }
    if runs.is_empty() {
        return Err("this table has no episodes".to_owned());
    }
    Ok(Episodes { runs, env: monitored_env(text) })
}

impl Columns {
    fn of(header: &StringRecord) -> Result<Self, String> {
        let find = |names: [&str; 2]| header.iter().position(|column| names.contains(&column.trim()));
        let Some(total_reward) = find(["return", "r"]) else {
            return Err(
                "a table of episodes needs a column return (or r), and run where it has several runs".to_owned()
            );
        };
        let (run, env_steps, length) = (find(["run", "seed"]), find(["env_steps"; 2]), find(["length", "l"]));
        Ok(Self { total_reward, run, env_steps, length })
    }

    /// Adds the episode of a row to its run.
    fn add(&self, row: &StringRecord, run: &mut Run) -> Result<(), String> {
        let text = row[self.total_reward].trim();
        let total_reward = text.parse().ok().filter(|number: &f64| number.is_finite());
        run.returns.push(total_reward.ok_or_else(|| format!("the return {text:?} is not a finite number"))?);
        let whole = |column: usize| {
            let text = row[column].trim();
            text.parse::<u64>().map_err(|_| format!("{text:?} is not a number of environment steps"))
        };
        let before = run.env_steps.last().copied().unwrap_or(0);
        let env_steps = match (self.env_steps, self.length) {
            (Some(column), _) => whole(column)?,
            (None, Some(column)) => before.saturating_add(whole(column)?),
            (None, None) => return Ok(()),
        };
        if env_steps <= before {
            return Err(format!(
                "the episode ends after {env_steps} environment steps, and the run's last one after {before}"
            ));
        }
        run.env_steps.push(env_steps);
        Ok(())
    }
}

/// The environment that the first line of Stable-Baselines3's `monitor.csv` names.
fn monitored_env(text: &str) -> Option<String> {
    let described: serde_json::Value = serde_json::from_str(text.lines().next()?.strip_prefix('#')?).ok()?;
    Some(described.get("env_id")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(returns: &[f64], env_steps: &[u64]) -> Run {
        Run { env_steps: env_steps.to_vec(), returns: returns.to_vec() }
    }

    #[test]
    fn rows_with_the_same_run_are_one_run() {
        let one = parse("episode,return\n0,9\n1,-1.5\n").unwrap();
        assert_eq!(one, Episodes { runs: vec![run(&[9.0, -1.5], &[])], env: None });
        let two = parse("run,episode,return\n7,0,9\na,0,1\n7,1,10\na,1,2\n").unwrap();
        assert_eq!(two.runs, [run(&[9.0, 10.0], &[]), run(&[1.0, 2.0], &[])]);
        // quarl's own tables, and those of seeds that were collected in one.
        let own = parse("seed,env_steps,return,length,mean_q\n3,11,11,11,\n3,31,20,20,0.5\n4,8,8,8,\n").unwrap();
        assert_eq!(own.runs, [run(&[11.0, 20.0], &[11, 31]), run(&[8.0], &[8])]);
    }

    #[test]
    fn a_monitor_file_names_its_environment() {
        let text = "#{\"t_start\": 1764442800.5, \"env_id\": \"LunarLander-v3\"}\nr,l,t\n-120.5,80,1.5\n3.25,100,2.0\n";
        let expected =
            Episodes { runs: vec![run(&[-120.5, 3.25], &[80, 180])], env: Some("LunarLander-v3".to_owned()) };
        assert_eq!(parse(text).unwrap(), expected);
    }

    /// A search among all runs for each row would take minutes.
    #[test]
    fn many_runs_are_read_in_linear_time() {
        let rows: String = (0..300_000).map(|run| format!("{run},1\n")).collect();
        assert_eq!(parse(&format!("run,return\n{rows}")).unwrap().runs.len(), 300_000);
    }

    #[test]
    fn a_wrong_table_names_the_line() {
        for (text, expected) in [
            ("", "needs a column return"),
            ("episode,reward\n0,1\n", "needs a column return"),
            ("return\n", "no episodes"),
            ("run,return\n0,1\n0,nan\n", "line 3: the return \"nan\" is not a finite number"),
            ("run,return\n0,\n", "line 2: the return \"\" is not"),
            ("return,length\n1,x\n", "line 2: \"x\" is not a number of environment steps"),
            ("return,length\n1,5\n1,0\n", "line 3: the episode ends after 5 environment steps"),
            ("return,env_steps\n1,5\n1,4\n", "line 3: the episode ends after 4 environment steps"),
            ("return,length\n1,5\n1\n", "line: 3"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(expected), "{text:?}: {message}");
        }
    }
}
