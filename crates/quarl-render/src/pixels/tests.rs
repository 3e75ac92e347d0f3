use proptest::prelude::*;

use super::super::test_scenes::{BLACK, BROWN, WHITE, cart_pole, rectangle, shapes};
use super::*;

fn count(frame: &Frame, color: Color) -> usize {
    frame.rgb.chunks_exact(3).filter(|rgb| **rgb == [color.0, color.1, color.2]).count()
}

#[test]
fn a_rectangle_on_pixel_borders_is_exact_and_y_points_up() {
    // 10 x 8 scene at twice its size; x from 2 to 5, y from 1 to 3, so columns 4..10 and rows 16-6..16-2.
    let scene = shapes(10.0, 8.0, vec![rectangle(2.0, 1.0, 5.0, 3.0, BROWN)]);
    let frame = rasterize(&scene, 20, 16).unwrap();
    for y in 0..16 {
        for x in 0..20 {
            let inside = (4..10).contains(&x) && (10..14).contains(&y);
            assert_eq!(frame.pixel(x, y), Some(if inside { BROWN } else { WHITE }), "pixel ({x}, {y})");
        }
    }
}

#[test]
fn edges_between_pixels_are_blended() {
    // The rectangle covers the left half of column 5: half black, half white.
    let scene = shapes(10.0, 10.0, vec![rectangle(2.0, 2.0, 5.5, 8.0, BLACK)]);
    let frame = rasterize(&scene, 10, 10).unwrap();
    assert_eq!(frame.pixel(4, 5), Some(BLACK));
    let Some(Color(grey, ..)) = frame.pixel(5, 5) else { panic!("the pixel is inside") };
    assert!((120..=136).contains(&grey), "half a pixel gives {grey}");
    assert_eq!(frame.pixel(6, 5), Some(WHITE));
}

#[test]
fn a_circle_covers_its_area() {
    let scene = shapes(100.0, 100.0, vec![Shape::Circle { center: (50.0, 50.0), radius: 40.0, color: BLACK }]);
    let frame = rasterize(&scene, 100, 100).unwrap();
    let darkness: f64 = frame.rgb.chunks_exact(3).map(|rgb| 1.0 - f64::from(rgb[0]) / 255.0).sum();
    let area = std::f64::consts::PI * 1600.0;
    assert!((darkness / area - 1.0).abs() < 0.01, "{darkness} instead of {area}");
}

#[test]
fn proportions_are_kept_and_margins_are_background() {
    // 10 x 10 into 40 x 20: the picture is 20 x 20 in the middle, columns 10 to 29.
    let full = rectangle(-100.0, -100.0, 100.0, 100.0, BROWN);
    let frame = rasterize(&shapes(10.0, 10.0, vec![full]), 40, 20).unwrap();
    for (x, expected) in [(0, WHITE), (9, WHITE), (10, BROWN), (29, BROWN), (30, WHITE), (39, WHITE)] {
        assert_eq!(frame.pixel(x, 10), Some(expected), "column {x}");
    }
    assert_eq!(count(&frame, BROWN), 400, "what lies outside the scene is not drawn");
}

#[test]
fn a_cart_and_its_pole_are_where_they_belong() {
    let frame = rasterize(&cart_pole(300.0, 0.0), 600, 400).unwrap();
    assert_eq!(frame.pixel(300, 260), Some(BROWN), "the pole, 140 above the ground");
    assert_eq!(frame.pixel(280, 300), Some(BLACK), "the cart");
    assert_eq!(frame.pixel(300, 293), Some(Color(129, 132, 203)), "the axle");
    assert_eq!(frame.pixel(300, 20), Some(WHITE), "the sky");
}

#[test]
fn thin_lines_stay_visible_in_small_pictures() {
    let line = Shape::Polyline { points: vec![(0.0, 205.0), (600.0, 205.0)], width: 0.1, color: BLACK };
    let sliver = rectangle(295.0, 20.0, 296.0, 180.0, BLACK);
    let frame = rasterize(&shapes(600.0, 400.0, vec![line, sliver]), 60, 40).unwrap();
    let ink = |pixels: &mut dyn Iterator<Item = (u32, u32)>| -> f64 {
        pixels.map(|(x, y)| 1.0 - f64::from(frame.pixel(x, y).unwrap().0) / 255.0).sum()
    };
    assert!(ink(&mut (17..23).map(|y| (10, y))) > 0.9, "the line is a pixel thick");
    assert!(ink(&mut (27..33).map(|x| (x, 30))) > 0.9, "so is the sliver");
}

#[test]
fn a_finished_picture_is_scaled_and_centred() {
    let rgb = vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9];
    let frame = rasterize(&Scene::Pixels { width: 2, height: 2, rgb }, 8, 4).unwrap();
    assert_eq!(frame.pixel(1, 0), Some(Color(0, 0, 0)), "the margin is black");
    assert_eq!(frame.pixel(2, 0), Some(Color(255, 0, 0)));
    assert_eq!(frame.pixel(5, 1), Some(Color(0, 255, 0)));
    assert_eq!(frame.pixel(3, 3), Some(Color(0, 0, 255)), "the second row is below the first");
    assert_eq!(frame.pixel(6, 3), Some(Color(0, 0, 0)));
}

#[test]
fn window_systems_get_red_above_green_above_blue() {
    let frame = Frame { width: 2, height: 1, rgb: vec![1, 2, 3, 0xff, 0, 0x80] };
    let mut xrgb = [7; 3];
    frame.write_xrgb(&mut xrgb);
    assert_eq!(xrgb, [0x0001_0203, 0x00ff_0080, 7]);
}

#[test]
fn a_kept_rasterizer_draws_what_a_new_one_draws() {
    let mut rasterizer = Rasterizer::default();
    for (i, (width, height)) in [(60, 40), (60, 40), (31, 77), (60, 40)].into_iter().enumerate() {
        let scene = cart_pole(100.0 * i as f32, 0.1 * i as f32);
        let mut frame = Frame { width, height, rgb: vec![7; 10] };
        rasterizer.draw(&scene, &mut frame).unwrap();
        assert_eq!(frame, rasterize(&scene, width, height).unwrap());
    }
}

#[test]
fn impossible_sizes_and_scenes_are_refused() {
    let scene = shapes(10.0, 10.0, vec![]);
    for (width, height) in [(0, 0), (0, 5), (5, 0), (MAX_SIDE + 1, 1), (u32::MAX, u32::MAX), (MAX_SIDE, MAX_SIDE)] {
        assert!(matches!(rasterize(&scene, width, height), Err(Error::Draw { .. })), "{width} x {height}");
    }
    assert_eq!(rasterize(&scene, 1, 1).unwrap().rgb, [255, 255, 255]);
    assert_eq!(rasterize(&scene, MAX_SIDE, 1).unwrap().rgb.len(), MAX_SIDE as usize * 3);

    let not_finite = Shape::Circle { center: (f32::NAN, 0.0), radius: 1.0, color: BLACK };
    let refused = [
        shapes(0.0, 10.0, vec![]),
        shapes(f32::NAN, 10.0, vec![]),
        shapes(f32::INFINITY, 10.0, vec![]),
        shapes(10.0, 10.0, vec![not_finite]),
        Scene::Pixels { width: 0, height: 4, rgb: vec![] },
        Scene::Pixels { width: 2, height: 2, rgb: vec![0; 11] },
        Scene::Pixels { width: u32::MAX, height: u32::MAX, rgb: vec![0; 3] },
    ];
    for scene in refused {
        assert!(matches!(rasterize(&scene, 10, 10), Err(Error::Draw { .. })), "{scene:?}");
    }
}

#[test]
fn empty_shapes_draw_nothing() {
    let nothing = vec![
        Shape::Polygon { points: vec![], color: BLACK },
        Shape::Polyline { points: vec![], width: 1.0, color: BLACK },
        Shape::Circle { center: (5.0, 5.0), radius: -1.0, color: BLACK },
    ];
    assert_eq!(count(&rasterize(&shapes(10.0, 10.0, nothing), 10, 10).unwrap(), WHITE), 100);
}

#[test]
fn a_text_is_centred() {
    let text = |words: &str| Shape::Text { center: (20.0, 10.0), size: 12.0, words: words.to_owned(), color: BLACK };
    let frame = rasterize(&shapes(40.0, 20.0, vec![text("HOH")]), 80, 40).unwrap();
    let dark: Vec<(u32, u32)> = (0..80)
        .flat_map(|x| (0..40).map(move |y| (x, y)))
        .filter(|(x, y)| frame.pixel(*x, *y).is_some_and(|Color(red, ..)| red < 128))
        .collect();
    let mean =
        |axis: fn(&(u32, u32)) -> u32| dark.iter().map(|at| f64::from(axis(at))).sum::<f64>() / dark.len() as f64;
    assert!(dark.len() > 100 && (mean(|at| at.0) - 39.5).abs() < 1.0 && (mean(|at| at.1) - 19.5).abs() < 1.0);
    assert_eq!(count(&rasterize(&shapes(40.0, 20.0, vec![text("")]), 80, 40).unwrap(), WHITE), 3200);
}

fn any_coordinate() -> impl Strategy<Value = f32> {
    prop_oneof![-20.0f32..20.0, prop::num::f32::NORMAL, Just(0.0), Just(f32::MAX), Just(-f32::MAX), Just(1e-40)]
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let points = || prop::collection::vec((any_coordinate(), any_coordinate()), 0..6);
    prop_oneof![
        points().prop_map(|points| Shape::Polygon { points, color: BLACK }),
        (points(), any_coordinate()).prop_map(|(points, width)| Shape::Polyline { points, width, color: BLACK }),
        ((any_coordinate(), any_coordinate()), any_coordinate()).prop_map(|(center, radius)| Shape::Circle {
            center,
            radius,
            color: BLACK
        }),
        ((any_coordinate(), any_coordinate()), any_coordinate(), ".{0,5}")
            .prop_map(|(center, size, words)| Shape::Text { center, size, words, color: BLACK }),
    ]
}

proptest! {
    #[test]
    fn no_scene_panics(
        (width, height) in (any_coordinate(), any_coordinate()),
        list in prop::collection::vec(any_shape(), 0..4),
        (frame_width, frame_height) in (1u32..40, 1u32..40),
    ) {
        let _ = rasterize(&shapes(width, height, list), frame_width, frame_height);
    }
}
