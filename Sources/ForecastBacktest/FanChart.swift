/// One forecast as SVG: the last two days, the bands, what came.
public struct FanChart {
    private static let size = (width: 720.0, height: 300.0)
    private static let frame = (left: 60.0, top: 36.0, right: 704.0, bottom: 264.0)
    private static let style = """
        <style>text{font:12px sans-serif;fill:#333}.t{font-weight:bold}.g{stroke:#8884}.h{stroke:#555}\
        .m{stroke:#0072b2}.y{stroke:#d55e00}.b{fill:#0072b2;stroke:none}path{fill:none;stroke-width:1.4}\
        @media(prefers-color-scheme:dark){text{fill:#ddd}.h{stroke:#bbb}}</style>
        """

    private let series: TraceSet.Series
    private let prediction: Prediction

    public init(_ series: TraceSet.Series, _ prediction: Prediction) {
        self.series = series
        self.prediction = prediction
    }

    public var svg: String {
        let origin = prediction.origin.index
        let first = max(0, origin - 2 * series.meta.periodDay)
        let last = min(series.values.count - 1, origin + prediction.steps.count)
        let seen = series.values[first...last].max() ?? 1
        let top = max(1e-9, max(seen, prediction.steps.map { min($0[6], 3 * seen) }.max() ?? 0))
        let frame = Self.frame
        func x(_ index: Int) -> String {
            Self.text(frame.left + Double(index - first) / Double(max(1, last - first)) * (frame.right - frame.left))
        }
        func y(_ value: Double) -> String {
            Self.text(frame.bottom - min(1.02, value / top) * (frame.bottom - frame.top))
        }
        func line(_ points: [(Int, Double)], _ kind: String) -> String {
            let path = points.enumerated().map { "\($0 == 0 ? "M" : "L")\(x($1.0)) \(y($1.1))" }.joined()
            return "<path class=\"\(kind)\" d=\"\(path)\"/>"
        }
        func band(_ low: Int, _ high: Int, _ opacity: String) -> String {
            let upper = prediction.steps.enumerated().map { (origin + 1 + $0, $1[high]) }
            let lower = prediction.steps.enumerated().reversed().map { (origin + 1 + $0, $1[low]) }
            let path = (upper + lower).enumerated().map { "\($0 == 0 ? "M" : "L")\(x($1.0)) \(y($1.1))" }.joined()
            return "<path class=\"b\" style=\"fill:#0072b2\" fill-opacity=\"\(opacity)\" d=\"\(path)Z\"/>"
        }
        let title = "\(series.id): 24 h ahead; median, 80 % and 95 % bands, what came"
        return [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(Self.size.width)) \(Int(Self.size.height))\""
                + " role=\"img\" aria-label=\"\(title)\">", Self.style,
            "<text class=\"t\" x=\"\(Int(frame.left))\" y=\"20\">\(title)</text>",
            "<path class=\"g\" d=\"M\(frame.left) \(frame.bottom)H\(frame.right)M\(frame.left) \(frame.top)H\(frame.right)\"/>",
            "<text x=\"52\" y=\"\(y(0))\" text-anchor=\"end\">0</text>",
            "<text x=\"52\" y=\"\(y(top))\" dy=\"4\" text-anchor=\"end\">\(Self.text(top))</text>",
            "<text x=\"\(x(origin))\" y=\"284\" text-anchor=\"middle\">origin</text>",
            band(0, 6, ".15"), band(2, 4, ".25"),
            line((first...origin).map { ($0, series.values[$0]) }, "h"),
            line((origin...last).map { ($0, series.values[$0]) }, "y"),
            line(prediction.steps.enumerated().map { (origin + 1 + $0, $1[3]) }, "m"), "</svg>\n",
        ].joined(separator: "\n")
    }

    /// One decimal.
    private static func text(_ value: Double) -> String {
        let tenths = (value * 10).rounded()
        return tenths.truncatingRemainder(dividingBy: 10) == 0 ? "\(Int(tenths / 10))" : "\(tenths / 10)"
    }
}
