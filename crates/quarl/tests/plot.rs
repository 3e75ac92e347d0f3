//! Figures show their data, whatever it is, and the same data always gives the same bytes.
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

/// A run of these returns, each episode as long as its return.
fn run(returns: &[f64]) -> Run {
    let mut steps = 0;
    let env_steps = returns.iter().map(|x| {
        steps += *x as u64;
        steps
    });
    Run { env_steps: env_steps.collect(), returns: returns.to_vec() }
}

fn all(runs: &[Vec<f64>]) -> Vec<Run> {
    runs.iter().map(|returns| run(returns)).collect()
}

fn group(name: &str, runs: &[Vec<f64>]) -> Group {
    Group { name: name.to_owned(), runs: all(runs), planned: runs.len() }
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

/// The position of the tick with this label: the middle of its text.
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
    let svg = run_figure("Seed 0", &run(returns), XAxis::Episodes, 10, &evaluations, Some(195.0)).to_svg().unwrap();
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
fn a_runs_evaluations_lie_over_environment_steps_where_its_episodes_do() {
    let steady = Run { env_steps: vec![100, 200, 300], returns: vec![1.0, 2.0, 3.0] };
    let figure = run_figure("Seed 0", &steady, XAxis::Steps, 2, &[(250.0, 2.0)], None);
    assert_eq!(figure.x_label, "Environment steps");
    assert_eq!(figure.series[0].points, [(100.0, 1.0), (200.0, 2.0), (300.0, 3.0)]);
    assert_eq!(figure.series[2].points, [(250.0, 2.0)]);
}

fn experiment(title: &str, runs: &[Vec<f64>]) -> Figure {
    experiment_figure(title, &all(runs), XAxis::Episodes, 1, None)
}

/// All texts of an SVG, lines of one note joined by spaces.
fn words(svg: &str) -> String {
    let texts = svg.split('<').filter_map(|tag| tag.split_once('>')).map(|(_, text)| text.trim());
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_experiment_of_few_runs_shows_each_of_them_and_their_mean() {
    let svg = experiment("Twenty", &runs(20, 300)).to_svg().unwrap();
    assert!(svg.contains(">mean of 20 runs</text>") && words(&svg).contains("95% bootstrap interval"));
    let paths = |group: &str| group.split("</g>").next().unwrap().matches("<path").count();
    assert_eq!(svg.split("<g ").map(paths).max(), Some(20));
    assert_eq!(coordinates(curves(&svg, BLUE)[0]).len(), 300);
    assert_eq!(svg.matches("fill-opacity").count(), 2, "the band, in the plot and in the legend");
    assert_eq!(curves(&svg, BLUE).len(), 1);
    let (_, samples) = svg.split_once(&format!("<g fill=\"none\" stroke=\"{BLUE}\"")).unwrap();
    assert!(samples.split("</g>").next().unwrap().contains("l26 0\""), "the legend's sample is a plain line");
    let unclipped: Vec<&str> = svg.lines().filter(|line| line.starts_with("<g fill=\"none\"")).collect();
    assert_eq!(unclipped.len(), 3, "grid, axis and one sample: {unclipped:?}");
}

#[test]
fn of_many_runs_a_band_shows_the_middle_and_the_mean_stays_readable() {
    let svg = experiment("Hundred", &runs(100, 300)).to_svg().unwrap();
    assert!(svg.contains(">mean of 100 runs</text>") && svg.contains(">middle 80% of runs</text>"));
    assert!(words(&svg).contains("from the 10% to the 90% quantile of the runs"));
    let clipped = svg.matches("clip-path=\"url(#plot)\" fill=\"none\"").count();
    assert_eq!(clipped, 1, "no line but the mean");
    assert_eq!(svg.matches("fill-opacity").count(), 4, "two bands, in the plot and in the legend");
}

#[test]
fn no_interval_is_drawn_of_fewer_than_three_runs_and_few_runs_are_pointed_out() {
    for (count, interval, remark) in [
        (1, false, "No interval for fewer than 3 runs."),
        (2, false, "No interval for fewer than 3 runs."),
        (3, true, "Intervals of fewer than 10 runs are rough."),
        (9, true, "Intervals of fewer than 10 runs are rough."),
    ] {
        let runs = runs(count, 50);
        let figures = [experiment("Few", &runs), comparison("Few", &[group("it", &runs)], 1)];
        for svg in figures.map(|figure| figure.to_svg().unwrap()) {
            assert_eq!(svg.contains("95%"), interval, "{count}");
            assert_eq!(svg.contains("fill-opacity"), interval, "{count}");
            assert!(words(&svg).contains(remark), "{count}: {svg}");
        }
    }
    let svg = comparison("Ten", &[group("it", &runs(10, 50))], 1).to_svg().unwrap();
    assert!(svg.contains("95%") && !svg.contains("fewer than"));
}

fn comparison(title: &str, groups: &[Group], window: usize) -> Figure {
    comparison_figure(title, &groups.iter().collect::<Vec<_>>(), XAxis::Episodes, window, Some(195.0))
}

#[test]
fn a_comparison_gives_each_curve_its_name_its_colour_and_its_number_of_runs() {
    let (few, many) = (runs(3, 60), runs(12, 80));
    let missing = Group { planned: 5, ..group("Dueling", &many[..2]) };
    let groups = [group("DQN", &few), group("Double", &many), missing, group("Rainbow", &few[..1])];
    let svg = comparison("Four", &groups, 20).to_svg().unwrap();
    for name in ["DQN (3 runs)", "Double (12 runs)", "Dueling (2 of 5 runs)", "Rainbow (1 run)"] {
        assert!(svg.contains(&format!(">{name}</text>")), "{name}");
    }
    for color in [BLUE, "#d55e00", "#009e73", "#cc79a7"] {
        assert_eq!(curves(&svg, color).len(), 1, "{color}");
    }
    assert!(svg.contains("moving average over 20 episodes"));
}

#[test]
fn panels_lie_below_each_other_each_with_its_own_axes() {
    let panels = [experiment("First", &runs(3, 20)), experiment("Second", &runs(4, 900))];
    let svg = to_svg(&panels).unwrap();
    assert!(svg.contains(&format!("viewBox=\"0 0 {WIDTH} {}\"", 2 * HEIGHT)));
    assert!(svg.contains(">First</text>") && svg.contains(">Second</text>") && svg.contains("translate(0 420)"));
    assert!(svg.contains("url(#plot)") && svg.contains("url(#plot-2)"));
    let single = svg.split("<g transform").next().unwrap();
    assert!(panels[0].to_svg().unwrap().contains(&single[single.find("<clipPath").unwrap()..]));
    assert_eq!(image(&to_png(&panels).unwrap()).0, (WIDTH * PNG_SCALE, 2 * HEIGHT * PNG_SCALE));
    let many = vec![panels[0].clone(); 5];
    assert_eq!(image(&to_png(&many).unwrap()).0, (2 * WIDTH * PNG_SCALE, 3 * HEIGHT * PNG_SCALE));
}

/// A PNG's size and pixels.
fn image(png: &[u8]) -> ((u32, u32), Vec<u8>) {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    ((info.width, info.height), pixels)
}

#[test]
fn hangul_is_drawn_with_letters_of_its_own() {
    let titled = |title: &str| {
        let figure = Figure { title: title.to_owned(), ..line(&[(0.0, 0.0), (1.0, 1.0)]) };
        image(&figure.to_png().unwrap()).1
    };
    let ink = |pixels: &[u8]| pixels.iter().filter(|&&value| value < 128).count();
    let differ = |a: &[u8], b: &[u8]| a.iter().zip(b).filter(|(a, b)| a.abs_diff(**b) > 100).count();
    // As long as each other: what no font has would be the same box for all.
    let [learning, reward, rare, unknown] = ["학습", "보상", "똠뷁", "学習"].map(titled);
    for hangul in [&learning, &reward, &rare] {
        assert!(ink(hangul) > ink(&titled("")) + 200);
        assert!(differ(hangul, &unknown) > 200);
    }
    assert!(differ(&learning, &reward) > 200 && differ(&learning, &rare) > 200);
    assert!(titled("\u{1112}\u{1161}\u{11a8}\u{1109}\u{1173}\u{11b8}") == learning, "composed from its parts");
}

#[test]
fn a_point_lies_where_the_axes_say() {
    let svg = line(&[(0.0, 0.0), (50.0, 100.0), (100.0, 200.0)]).to_svg().unwrap();
    let points = coordinates(curves(&svg, BLUE)[0]);
    // 50 and 100 are ticks. A label's baseline lies about a third of its size below the tick's height.
    assert!((points[1].0 - tick(&svg, "40").0 - (tick(&svg, "60").0 - tick(&svg, "40").0) / 2.0).abs() < 0.2);
    assert!((points[1].1 + 5.04 - tick(&svg, "100").1).abs() < 0.2);
    assert!((points[2].1 + 5.04 - tick(&svg, "200").1).abs() < 0.2);
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
    for figure in
        [Figure::default(), run_figure("", &Run::default(), XAxis::Episodes, 10, &[], None), line(&[(f64::NAN, 1.0)])]
    {
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
    let svg = run_figure("Long", &run(&returns), XAxis::Episodes, 1, &[], None).to_svg().unwrap();
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
    let points = coordinates(curves(&svg, BLUE)[0]);
    let top = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let bottom = points[0].1;
    assert!(bottom - top > 0.6 * f64::from(HEIGHT), "the one peak is {} high", bottom - top);
}

#[test]
fn many_long_runs_stay_small_too() {
    let svg = experiment("Long", &runs(20, 3000)).to_svg().unwrap();
    assert!(svg.len() < 500_000, "{} bytes", svg.len());
}

#[test]
fn a_png_has_the_stated_size_and_shows_the_curve_in_its_colour() {
    let (size, pixels) = image(&line(&[(0.0, 0.0), (1.0, 1.0)]).to_png().unwrap());
    assert_eq!(size, (WIDTH * PNG_SCALE, HEIGHT * PNG_SCALE));
    assert_eq!(pixels.len(), 3 * (size.0 * size.1) as usize, "RGB");
    assert_eq!(pixels[..3], [255, 255, 255]);
    let blue = pixels.chunks(3).filter(|pixel| *pixel == [0x00, 0x72, 0xb2]).count();
    assert!(blue > 1000, "{blue} pixels");
}

#[test]
fn the_same_figure_gives_the_same_bytes() {
    let runs = runs(5, 40);
    let draw = || {
        let figure = experiment("Twice", &runs);
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
        points in any_points(), band in any_points(), line in any_points(), name in any::<String>(), style in 0..5_usize,
        value in prop::num::f64::ANY, range in prop::option::of((prop::num::f64::ANY, prop::num::f64::ANY)),
    ) -> Figure {
        let style = [Style::Line, Style::Faint, Style::Step, Style::Points, Style::Band][style];
        let series = Series { name: name.clone(), points, band, background: vec![line], style, ..Series::default() };
        let (x_label, y_label, note) = (name.clone(), name.clone(), Some(name.clone()));
        let references = vec![Reference { value, label: name.clone() }];
        Figure { title: name, x_label, y_label, series: vec![series], references, note, y_range: range, categories: Vec::new() }
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
    let figure = experiment_figure("Two", &runs, XAxis::Steps, 1, None);
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
        let group = Group { name: "it".to_owned(), runs: vec![run.clone()], planned: 1 };
        let figure = comparison_figure("One", &[&group], XAxis::Steps, window, Some(195.0));
        for (x, y) in &figure.series[0].points {
            let episode = [20.0, 110.0].iter().filter(|end| x >= end).count();
            assert_eq!(*y, expected[episode], "at step {x}, window {window}");
        }
        assert!(figure.series[0].band.is_empty() && figure.references.len() == 1);
    }
    // Nothing to show is no error.
    let empty = Group { runs: vec![Run::default()], ..Group::default() };
    comparison_figure("None", &[&Group::default(), &empty], XAxis::Steps, 0, None).to_svg().unwrap();
}
