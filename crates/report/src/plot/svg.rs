//! Charts as SVG, with the axes and curves of the screen. A plotting library would add a hundred thousand lines for two hundred,
//! and other ticks than the screen's.

use std::fmt::Write;

use warmstart_schema::text;

use super::{Axis, Curve};

/// With more points than this, a line is drawn by the extremes of its columns.
const DENSE: usize = 2000;
const WIDTH: f64 = 860.0;
const PANEL: f64 = 330.0;
/// The most columns of a name in the legend: a longer one would be wider than the axes.
const LEGEND_NAME: usize = 103;
/// The most columns of the title, whose letters are a third larger: a longer one would be wider than the picture.
const TITLE: usize = 87;
/// Left, right, top and bottom of a panel's axes.
const MARGIN: (f64, f64, f64, f64) = (72.0, 20.0, 58.0, 46.0);

/// One pair of axes.
#[derive(Debug)]
pub(super) struct Panel<'a> {
    pub title: String,
    /// What the horizontal axis counts.
    pub along: String,
    pub series: Vec<SvgSeries<'a>>,
    pub x: Axis,
    pub y: Axis,
    pub events: Vec<f64>,
    pub best: Option<(f64, f64)>,
}

/// A line and its name.
#[derive(Debug)]
pub(super) struct SvgSeries<'a> {
    pub name: String,
    pub curve: &'a Curve,
    pub colour: &'static str,
    /// Dashed, to distinguish it from others of its colour and in print.
    pub dash: &'static str,
    /// Faint, behind the others, without a name.
    pub faint: bool,
    /// Whether each point is marked.
    pub marked: bool,
}

/// Panels below each other.
pub(super) fn picture(title: &str, panels: &[Panel]) -> String {
    let height = 40.0 + PANEL * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\n\
         <title>{}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"20\" y=\"26\" font-size=\"16\" font-weight=\"bold\">{}</text>\n",
        escaped(title),
        escaped(&text::middle(title, TITLE))
    );
    for (index, panel) in panels.iter().enumerate() {
        draw(&mut svg, panel, 40.0 + PANEL * index as f64, index);
    }
    svg.push_str("</svg>\n");
    svg
}

/// The positions of values on the paper.
struct Paper {
    x: Axis,
    y: Axis,
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Paper {
    fn x(&self, value: f64) -> f64 {
        self.left + self.x.share(value) * self.width
    }

    fn y(&self, value: f64) -> f64 {
        self.top + (1.0 - self.y.share(value)) * self.height
    }

    fn point(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let (x, y) = (self.x(x), if y.is_finite() { self.y(y) } else { f64::NAN });
        (x.is_finite() && y.is_finite()).then_some((x, y))
    }
}

fn draw(svg: &mut String, panel: &Panel, top: f64, index: usize) {
    let (left, right, above, below) = MARGIN;
    let (width, height) = (WIDTH - left - right, PANEL - above - below);
    let paper = Paper {
        x: panel.x,
        y: panel.y,
        left,
        top: top + above,
        width,
        height,
    };
    let _ = writeln!(
        svg,
        "<text x=\"{left}\" y=\"{:.1}\" font-size=\"14\" font-weight=\"bold\">{}</text>\n\
         <clipPath id=\"axes{index}\"><rect x=\"{left}\" y=\"{:.1}\" width=\"{width}\" height=\"{height}\"/></clipPath>",
        top + 16.0,
        escaped(&panel.title),
        paper.top
    );
    draw_axes(svg, panel, &paper);
    draw_legend(svg, panel, &paper, top + 34.0);
    let _ = writeln!(svg, "<g clip-path=\"url(#axes{index})\" fill=\"none\">");
    for event in panel
        .events
        .iter()
        .map(|event| paper.x(*event))
        .filter(|x| x.is_finite())
    {
        let _ = writeln!(
            svg,
            "<path d=\"M{event:.1} {:.1}V{:.1}\" stroke=\"#888\" stroke-dasharray=\"2 3\"/>",
            paper.top,
            paper.top + height
        );
    }
    let (faint, plain): (Vec<_>, Vec<_>) = panel.series.iter().partition(|series| series.faint);
    for series in faint.into_iter().chain(plain) {
        draw_series(svg, &paper, series);
    }
    if let Some((x, y)) = panel.best.and_then(|best| paper.point(best)) {
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {:.1}l5 9h-10z\" fill=\"#009E73\"><title>best</title></path>",
            y - 6.0
        );
    }
    svg.push_str("</g>\n");
}

fn draw_axes(svg: &mut String, panel: &Panel, paper: &Paper) {
    let (right, foot) = (paper.left + paper.width, paper.top + paper.height);
    for (value, text) in panel.y.labels(6) {
        let y = paper.y(value);
        let _ = writeln!(
            svg,
            "<path d=\"M{} {y:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            paper.left,
            paper.left - 8.0,
            y + 4.0,
            escaped(&text)
        );
    }
    for (value, text) in panel.x.labels(10) {
        let x = paper.x(value);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {foot}v5\" stroke=\"#444\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            foot + 18.0,
            escaped(&text)
        );
    }
    let _ = writeln!(
        svg,
        "<path d=\"M{} {}V{foot}H{right}\" fill=\"none\" stroke=\"#444\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#444\">{}</text>",
        paper.left,
        paper.top,
        paper.left + paper.width / 2.0,
        foot + 36.0,
        escaped(&panel.along)
    );
}

fn draw_legend(svg: &mut String, panel: &Panel, paper: &Paper, y: f64) {
    let mut x = paper.left;
    for series in panel.series.iter().filter(|series| !series.faint) {
        let name = text::middle(&series.name, LEGEND_NAME);
        // On average, a letter of this size is at most seven units wide. A Chinese character, of two columns, is twelve.
        let width = 44.0 + 7.0 * text::columns(&name) as f64;
        if x + width > paper.left + paper.width && x > paper.left {
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\">…</text>", y + 4.0);
            return;
        }
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {y:.1}h24\" stroke=\"{}\" stroke-width=\"2\" stroke-dasharray=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            series.colour,
            series.dash,
            x + 30.0,
            y + 4.0,
            escaped(&name)
        );
        x += width;
    }
}

fn draw_series(svg: &mut String, paper: &Paper, series: &SvgSeries) {
    let curve = series.curve;
    let is_sparse = curve.count(paper.x) <= DENSE;
    let points: Vec<Option<(f64, f64)>> = if is_sparse {
        curve
            .around(paper.x)
            .map(|point| paper.point(point))
            .collect()
    } else {
        let columns = DENSE / 2;
        let at = |index: usize| paper.left + (index as f64 + 0.5) / columns as f64 * paper.width;
        let corners = curve.columns(paper.x, columns).flat_map(|column| {
            let x = at(column.index);
            let corner = |y: f64| {
                let y = paper.y(y);
                y.is_finite().then_some((x, y))
            };
            let gap = column.after_gap.then_some(None);
            let ys = [column.first, column.low, column.high, column.last];
            gap.into_iter().chain(ys.map(corner))
        });
        let mut points: Vec<_> = corners.collect();
        // A column of one value is one point.
        points.dedup();
        points
    };
    let mut path = String::new();
    let mut pen_is_down = false;
    for point in &points {
        if let Some((x, y)) = point {
            let _ = write!(path, "{}{x:.1} {y:.1}", if pen_is_down { 'L' } else { 'M' });
        }
        pen_is_down = point.is_some();
    }
    if is_sparse {
        for (x, (low, high)) in curve.y_ranges(paper.x) {
            if let (Some((x, low)), Some((_, high))) =
                (paper.point((x, low)), paper.point((x, high)))
            {
                let _ = write!(path, "M{x:.1} {low:.1}V{high:.1}");
            }
        }
    }
    let (opacity, width) = if series.faint { (0.3, 1.0) } else { (1.0, 1.8) };
    let _ = writeln!(
        svg,
        "<path d=\"{path}\" stroke=\"{}\" stroke-width=\"{width}\" stroke-opacity=\"{opacity}\" stroke-dasharray=\"{}\" \
         stroke-linejoin=\"round\"/>",
        series.colour, series.dash
    );
    let is_marked = series.marked && is_sparse && points.len() <= 120;
    for (index, point) in points.iter().enumerate() {
        let is_drawn = |at: Option<usize>| at.and_then(|at| points.get(at).copied()?).is_some();
        // A single point between gaps makes no line.
        let is_alone =
            !series.faint && !is_drawn(index.checked_sub(1)) && !is_drawn(index.checked_add(1));
        if let (Some((x, y)), true) = (point, is_marked || is_alone) {
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\" fill=\"{}\"/>",
                series.colour
            );
        }
    }
}

/// Text escaped for XML, without the characters that XML does not allow: with one of them, nothing can read the file.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel<'a>(curve: &'a Curve, name: &str) -> Panel<'a> {
        let series = SvgSeries {
            name: name.to_owned(),
            curve,
            colour: "#0072B2",
            dash: "",
            faint: false,
            marked: true,
        };
        Panel {
            title: "loss".to_owned(),
            along: "epoch".to_owned(),
            series: vec![series],
            x: Axis::linear(0.0, 10.0),
            y: Axis::linear(0.0, 1.0),
            events: vec![5.0],
            best: Some((10.0, 0.0)),
        }
    }

    #[test]
    fn points_are_at_their_axis_positions() {
        let curve = Curve::new([(0.0, 0.0), (5.0, f64::NAN), (10.0, 1.0)]);
        let svg = picture("A & B", &[panel(&curve, "<val>")]);
        // The axes go from 72 to 840 and from 98 to 324; the gap in the middle stays.
        assert!(svg.contains("d=\"M72.0 324.0M840.0 98.0\""), "{svg}");
        assert!(
            svg.contains("M456.0 98.0V324.0"),
            "the event in the middle: {svg}"
        );
        assert!(svg.contains("A &amp; B") && svg.contains("&lt;val&gt;") && !svg.contains("<val>"));
        assert!(svg.contains("M840.0 318.0l5 9h-10z"), "the best: {svg}");
    }

    #[test]
    fn a_single_point_is_visible_without_marks_too() {
        let drawn = |ys: &[f64]| {
            let curve = Curve::new((0_u32..).map(f64::from).zip(ys.iter().copied()));
            let mut panel = panel(&curve, "train");
            panel.series[0].marked = false;
            picture("t", &[panel]).matches("<circle").count()
        };
        assert_eq!(drawn(&[0.5]), 1);
        assert_eq!(drawn(&[0.5, f64::NAN, 0.5]), 2);
        assert_eq!(drawn(&[0.5, 0.5, f64::NAN, 0.5]), 1);
        assert_eq!(drawn(&[0.5, 0.5]), 0);
    }

    #[test]
    fn names_in_the_legend_keep_apart_and_on_the_paper() {
        let curve = Curve::new([(0.0, 0.0), (10.0, 1.0)]);
        let mut wide = panel(&curve, &"漢".repeat(16));
        wide.series.extend(panel(&curve, "next").series);
        let svg = picture("t", &[wide]);
        // Sixteen characters of 12 units begin behind the sample of the line, at 102.
        let next = svg.split(">next</text>").next().unwrap();
        let x = next.rsplit("<text x=\"").next().unwrap();
        let x: f64 = x.split('"').next().unwrap().parse().unwrap();
        assert!(x > 102.0 + 16.0 * 12.0, "{x}");

        let mut long = panel(&curve, &"漢".repeat(80));
        long.series.extend(panel(&curve, "next").series);
        let svg = picture("t", &[long]);
        assert!(svg.contains("漢…漢") && !svg.contains("next"), "{svg}");
        let x = svg.split("\">…</text>").next().unwrap();
        let x = x.rsplit("<text x=\"").next().unwrap();
        let x: f64 = x.split('"').next().unwrap().parse().unwrap();
        assert!(x < WIDTH - MARGIN.1, "{x}");
    }

    #[test]
    fn a_wide_title_stays_on_the_paper() {
        let curve = Curve::new([(0.0, 0.0), (10.0, 1.0)]);
        let name = "漢".repeat(80);
        let svg = picture(&name, &[panel(&curve, "val")]);
        assert!(svg.contains(&format!("<title>{name}</title>")), "{svg}");
        let drawn = svg.split("font-weight=\"bold\">").nth(1).unwrap();
        let drawn = drawn.split("</text>").next().unwrap();
        // A Chinese character is as wide as the font's size, 16 units, and the title begins at 20.
        let width = drawn.chars().count() as f64 * 16.0;
        assert!(drawn.contains('…') && 20.0 + width < WIDTH, "{drawn}");
    }

    #[test]
    fn characters_that_xml_forbids_do_not_make_a_file_that_nothing_reads() {
        let curve = Curve::new([(0.0, 0.0), (10.0, 1.0)]);
        let svg = picture("a\u{ffff}b\u{fffe}\u{1b}", &[panel(&curve, "c\u{ffff}d")]);
        assert!(
            svg.contains("<title>ab</title>") && svg.contains(">cd</text>"),
            "{svg}"
        );
        assert!(crate::plot::png(&svg).is_ok());
    }

    #[test]
    fn a_gap_among_many_points_stays_as_among_few() {
        let drawn = |points: u32, is_gap: fn(f64) -> bool| {
            let curve = Curve::new((0..points).map(|n| {
                let x = 10.0 * f64::from(n) / f64::from(points);
                (x, if is_gap(x) { f64::NAN } else { 0.5 })
            }));
            let mut panel = panel(&curve, "train");
            panel.series[0].marked = false;
            let svg = picture("t", &[panel]);
            let line = svg.lines().find(|line| line.contains("linejoin")).unwrap();
            (line.matches('M').count(), svg.matches("<circle").count())
        };
        for points in [1000, 100_000] {
            assert_eq!(drawn(points, |_| false), (1, 0), "{points}");
            let middle = |x: f64| (4.0..6.0).contains(&x);
            assert_eq!(drawn(points, middle), (2, 0), "{points}");
            // One point alone makes no line.
            assert_eq!(drawn(points, |x| x > 0.0), (1, 1), "{points}");
        }
    }

    #[test]
    fn a_hundred_thousand_points_become_columns_that_keep_the_spike() {
        let curve = Curve::new(
            (0..100_000_u32).map(|n| (f64::from(n) / 1e4, if n == 31_234 { 1.0 } else { 0.5 })),
        );
        let svg = picture("t", &[panel(&curve, "n")]);
        assert!(svg.len() < 100_000, "{}", svg.len());
        assert!(svg.contains(" 98.0L"), "the spike reaches the top");
    }
}
