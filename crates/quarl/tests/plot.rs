//! Figures show what they are given, whatever it is, and always with the same bytes.
#![cfg(feature = "plot")]

use proptest::prelude::*;
use quarl::plot::*;
use quarl::stats::resampler;

/// Returns as CartPole's are: near 10 at first, jumping between 10 and 200 later.
fn runs(n: usize, episodes: usize) -> Vec<Vec<f64>> {
    let mut draw = resampler(n as u64);
    let mut run = || (0..episodes).map(|episode| (8 + draw(12 + episode.min(180))) as f64).collect();
    (0..n).map(|_| run()).collect()
}

fn line(points: &[(f64, f64)]) -> Figure {
    let series = Series { name: "a line".to_owned(), points: points.to_vec(), ..Series::default() };
    Figure { series: vec![series], ..Figure::default() }
}

/// The `d` of every path within groups of this colour: the curves of a series.
fn curves<'a>(svg: &'a str, color: &str) -> Vec<&'a str> {
    let opening = format!("<g clip-path=\"url(#plot)\" fill=\"none\" stroke=\"{color}\"");
    let groups = svg.split(&opening).skip(1).map(|rest| rest.split("</g>").next().unwrap());
    groups.flat_map(|group| group.split("d=\"").skip(1).map(|rest| rest.split('"').next().unwrap())).collect()
}

/// The coordinates of a path as this library writes it: the first point absolute, all others relative.
fn coordinates(path: &str) -> Vec<(f64, f64)> {
    let spaced = path.replace('M', "").replace('l', " ").replace('-', " -");
    let numbers: Vec<f64> = spaced.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let mut at = (0.0, 0.0);
    let step = |pair: &[f64]| {
        at = (at.0 + pair[0], at.1 + pair[1]);
        at
    };
    numbers.chunks(2).map(step).collect()
}

/// Where the tick with this label lies: the middle of its text.
fn tick(svg: &str, label: &str) -> (f64, f64) {
    let text = svg.lines().find(|line| line.ends_with(&format!(">{label}</text>"))).unwrap();
    let attribute = |name: &str| -> f64 {
        text.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
    };
    (attribute("x"), attribute("y"))
}

const BLUE: &str = "#0072b2";

#[test]
fn a_run_shows_each_episode_its_average_its_evaluations_and_the_threshold() {
    let returns = &runs(1, 300)[0];
    let evaluations = [(99.0, 120.0), (199.0, 180.0), (299.0, 200.0)];
    let svg = run_figure("Seed 0", returns, 10, &evaluations, Some(195.0)).to_svg().unwrap();
    for words in ["Seed 0", "Episode", "Return", "each episode", "moving average over 10 episodes", "solved: 195"] {
        assert!(svg.contains(&format!(">{words}</text>")), "{words}");
    }
    assert!(svg.contains("mean of the last 10 episodes"));
    let curves = curves(&svg, BLUE);
    assert_eq!(curves.iter().map(|curve| coordinates(curve).len()).collect::<Vec<_>>(), [300, 300]);
    assert_eq!(svg.matches("<circle").count(), 3 + 1, "three evaluations, and one in the legend");
    assert_eq!(svg.matches("stroke-dasharray").count(), 2, "the threshold, in the plot and in the legend");
}

#[test]
fn an_experiment_shows_every_run_their_mean_and_how_many_they_were() {
    let runs = runs(100, 300);
    let svg = experiment_figure("Hundred", &runs, None).to_svg().unwrap();
    assert!(svg.contains(">mean of 100 runs</text>") && svg.contains("95% bootstrap interval"));
    let paths = |group: &str| group.split("</g>").next().unwrap().matches("<path").count();
    assert_eq!(svg.split("<g ").map(paths).max(), Some(100));
    assert_eq!(coordinates(curves(&svg, BLUE)[0]).len(), 300);
    assert_eq!(svg.matches("fill-opacity").count(), 2, "the band, in the plot and in the legend");
    assert!(svg.len() < 400_000, "{} bytes", svg.len());
}

#[test]
fn an_experiment_of_one_run_claims_no_interval() {
    let svg = experiment_figure("One", &runs(1, 50), None).to_svg().unwrap();
    assert!(svg.contains("mean of 1 run<") && !svg.contains("95%") && !svg.contains("fill-opacity"));
}

#[test]
fn a_comparison_gives_each_curve_its_name_its_colour_and_its_number_of_runs() {
    let (few, many) = (runs(3, 60), runs(12, 80));
    let experiments = [("DQN", &few[..]), ("Double", &many[..]), ("Dueling", &many[..2]), ("Rainbow", &few[..1])];
    let svg = comparison_figure("Four", &experiments, 20, Some(195.0)).to_svg().unwrap();
    for name in ["DQN (3 runs)", "Double (12 runs)", "Dueling (2 runs)", "Rainbow (1 run)"] {
        assert!(svg.contains(&format!(">{name}</text>")), "{name}");
    }
    for color in [BLUE, "#d55e00", "#009e73", "#cc79a7"] {
        assert_eq!(curves(&svg, color).len(), 1, "{color}");
    }
    assert!(svg.contains("moving average over 20 episodes"));
}

#[test]
fn a_point_lies_where_the_axes_say() {
    let svg = line(&[(0.0, 0.0), (50.0, 100.0), (100.0, 200.0)]).to_svg().unwrap();
    let points = coordinates(curves(&svg, BLUE)[0]);
    // 50 and 100 are ticks. A label's baseline lies about a third of its size below the tick's height.
    assert!((points[1].0 - tick(&svg, "40").0 - (tick(&svg, "60").0 - tick(&svg, "40").0) / 2.0).abs() < 0.2);
    assert!((points[1].1 + 4.5 - tick(&svg, "100").1).abs() < 0.2);
    assert!((points[2].1 + 4.5 - tick(&svg, "200").1).abs() < 0.2);
    assert!((points[2].0 - tick(&svg, "100").0).abs() < 0.2 || tick(&svg, "100").0 < 100.0);
}

#[test]
fn a_given_range_is_kept_and_an_impossible_one_is_ignored() {
    let mut figure = line(&[(0.0, 0.0), (10.0, 1000.0)]);
    figure.y_range = Some((0.0, 5.0));
    let svg = figure.to_svg().unwrap();
    assert!(svg.contains(">5</text>") && !svg.contains(">1,000</text>"));
    for range in [(5.0, 5.0), (9.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        figure.y_range = Some(range);
        assert!(figure.to_svg().unwrap().contains(">1,000</text>"));
    }
}

#[test]
fn a_gap_breaks_the_line_and_a_lone_point_is_a_dot() {
    let nan = f64::NAN;
    let svg = line(&[(0.0, 1.0), (1.0, 2.0), (2.0, nan), (3.0, 3.0), (4.0, nan), (5.0, 1.0), (6.0, 2.0), (7.0, 2.0)]);
    let svg = svg.to_svg().unwrap();
    let lengths: Vec<usize> = curves(&svg, BLUE).iter().map(|curve| coordinates(curve).len()).collect();
    assert_eq!(lengths, [2, 3]);
    assert_eq!(svg.matches("<circle").count(), 1);
}

#[test]
fn steps_keep_each_value_until_the_next_point() {
    let mut figure = line(&[(0.0, 1.0), (1.0, 5.0), (2.0, 3.0)]);
    figure.series[0].style = Style::Step;
    let svg = figure.to_svg().unwrap();
    let points = coordinates(curves(&svg, BLUE)[0]);
    assert_eq!(points.len(), 5);
    assert!((points[0].1 - points[1].1).abs() < 0.01 && (points[1].0 - points[2].0).abs() < 0.01);
}

#[test]
fn a_figure_without_data_says_so() {
    for figure in [Figure::default(), run_figure("", &[], 10, &[], None), line(&[(f64::NAN, 1.0)])] {
        assert!(figure.to_svg().unwrap().contains(">no data yet</text>"));
    }
    assert!(!line(&[(0.0, 1.0)]).to_svg().unwrap().contains("no data yet"));
}

#[test]
fn text_is_escaped_and_cut_to_fit() {
    let mut figure = line(&[(0.0, 1.0)]);
    figure.title = "a < b & \"c\"\u{0} > d".to_owned();
    figure.series[0].name = "long ".repeat(100_000);
    figure.note = Some("</text><script>".to_owned());
    let svg = figure.to_svg().unwrap();
    assert!(svg.contains("a &lt; b &amp; &quot;c&quot;  &gt; d</text>"));
    assert!(svg.contains("…</text>") && !svg.contains("<script>") && svg.len() < 10_000);
}

#[test]
fn a_long_run_stays_small_and_keeps_its_peaks() {
    let mut returns = vec![10.0; 100_000];
    returns[54_321] = 490.0;
    let svg = run_figure("Long", &returns, 1, &[], None).to_svg().unwrap();
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
    let points = coordinates(curves(&svg, BLUE)[0]);
    let top = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let bottom = points[0].1;
    assert!(bottom - top > 300.0, "the one peak is {} high", bottom - top);
}

#[test]
fn many_long_runs_stay_small_too() {
    let runs = runs(100, 3000);
    let svg = experiment_figure("Long", &runs, None).to_svg().unwrap();
    assert!(svg.len() < 500_000, "{} bytes", svg.len());
}

#[test]
fn a_png_has_the_stated_size_and_shows_the_curve_in_its_colour() {
    let png = line(&[(0.0, 0.0), (1.0, 1.0)]).to_png().unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (WIDTH * PNG_SCALE, HEIGHT * PNG_SCALE));
    assert_eq!(info.color_type, png::ColorType::Rgb);
    assert_eq!(pixels[..3], [255, 255, 255]);
    let blue = pixels.chunks(3).filter(|pixel| *pixel == [0x00, 0x72, 0xb2]).count();
    assert!(blue > 1000, "{blue} pixels");
}

#[test]
fn the_same_figure_gives_the_same_bytes() {
    let runs = runs(5, 40);
    let draw = || {
        let figure = experiment_figure("Twice", &runs, Some(195.0));
        (figure.to_svg().unwrap(), figure.to_png().unwrap())
    };
    assert!(draw() == draw());
}

#[cfg(feature = "files")]
#[test]
fn a_figure_is_written_by_extension_replaces_and_leaves_nothing_else_behind() {
    let directory = tempfile::tempdir().unwrap();
    let figure = line(&[(0.0, 1.0), (1.0, 2.0)]);
    let (svg, png) = (directory.path().join("a.svg"), directory.path().join("a.PNG"));
    std::fs::write(&svg, "old").unwrap();
    figure.write(&svg).unwrap();
    figure.write(&png).unwrap();
    assert_eq!(std::fs::read_to_string(&svg).unwrap(), figure.to_svg().unwrap());
    assert_eq!(std::fs::read(&png).unwrap(), figure.to_png().unwrap());

    let refused = figure.write(directory.path().join("a.pdf")).unwrap_err();
    assert!(matches!(refused, quarl::Error::File { .. }) && refused.to_string().contains(".svg or .png"));
    let missing = figure.write(directory.path().join("no/such/place.svg")).unwrap_err();
    assert!(matches!(missing, quarl::Error::Io { .. }), "{missing}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}

fn any_points() -> impl Strategy<Value = Vec<(f64, f64)>> {
    let number = prop_oneof![prop::num::f64::ANY, -1e3..1e3_f64, Just(0.0), Just(f64::MAX), Just(f64::MIN)];
    prop::collection::vec((number.clone(), number), 0..12)
}

prop_compose! {
    fn any_figure()(
        points in any_points(), band in any_points(), line in any_points(), name in any::<String>(), style in 0..4_usize,
        value in prop::num::f64::ANY, range in prop::option::of((prop::num::f64::ANY, prop::num::f64::ANY)),
    ) -> Figure {
        let style = [Style::Line, Style::Faint, Style::Step, Style::Points][style];
        let series = Series { name: name.clone(), points, band, background: vec![line], style, ..Series::default() };
        let (x_label, y_label, note) = (name.clone(), name.clone(), Some(name.clone()));
        let references = vec![Reference { value, label: name.clone() }];
        Figure { title: name, x_label, y_label, series: vec![series], references, note, y_range: range }
    }
}

proptest! {
    #[test]
    fn hostile_data_never_panics_and_never_reaches_the_file(figure in any_figure()) {
        let svg = figure.to_svg().unwrap();
        let drawing: String = svg.lines().filter(|line| !line.contains("<text") && !line.contains("<title")).collect();
        prop_assert!(!drawing.contains("NaN") && !drawing.contains("inf"));
    }
}

proptest! {
    // Painting takes a hundred times as long as writing text.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn hostile_data_can_be_painted(figure in any_figure()) {
        prop_assert!(figure.to_png().is_ok());
    }
}

/// A run whose episodes all have this length and return.
fn steady(length: u64, episodes: u64, value: f64) -> Run {
    Run { env_steps: (1..=episodes).map(|k| k * length).collect(), returns: vec![value; episodes as usize] }
}

#[test]
fn over_steps_a_mean_is_over_all_runs_however_many_episodes_they_had() {
    // Over episodes, everything after the tenth would be the poor run's alone.
    let runs = [steady(100, 10, 100.0), steady(10, 100, 10.0)];
    let figure = experiment_figure_by_steps("Two", &runs, 1, None);
    assert_eq!(figure.x_label, "Environment steps");
    let points = &figure.series[0].points;
    assert_eq!(
        (points[0].0, points[points.len() - 1].0),
        (100.0, 1000.0),
        "from where both have an episode to the end"
    );
    assert!(points.iter().all(|(_, mean)| *mean == 55.0));
    assert_eq!(figure.series[0].background.iter().map(Vec::len).collect::<Vec<_>>(), [10, 100]);
}

#[test]
fn over_steps_an_episode_counts_from_its_end_on() {
    let run = Run { env_steps: vec![10, 20, 110], returns: vec![10.0, 30.0, 90.0] };
    for (window, expected) in [(1, [10.0, 30.0, 90.0]), (2, [10.0, 20.0, 60.0])] {
        let figure = comparison_figure_by_steps("One", &[("it", std::slice::from_ref(&run))], window, Some(195.0));
        for (x, y) in &figure.series[0].points {
            let episode = [20.0, 110.0].iter().filter(|end| x >= end).count();
            assert_eq!(*y, expected[episode], "at step {x}, window {window}");
        }
        assert!(figure.series[0].band.is_empty() && figure.references.len() == 1);
    }
    // Nothing to show is no error.
    comparison_figure_by_steps("None", &[("it", &[]), ("empty", &[Run::default()])], 0, None).to_svg().unwrap();
}
