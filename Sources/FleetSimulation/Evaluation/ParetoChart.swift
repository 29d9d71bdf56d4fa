/// Launches served against identifiers kept idle, a line per family of policies, as SVG.
struct ParetoChart {
    struct Series {
        var name: String
        /// Idle by in use; share of launches; what reached it.
        var points: [(idle: Double, hit: Double, policy: String)]
    }

    var title: String
    var series: [Series]

    private static let size = (width: 720.0, height: 440.0)
    private static let frame = (left: 64.0, top: 40.0, right: 704.0, bottom: 344.0)
    /// Told apart with any kind of colour vision (Okabe and Ito, 2008).
    private static let colours = ["#0072b2", "#e69f00", "#cc79a7", "#009e73", "#56b4e9", "#d55e00", "#b3a800", "#888"]
    private static let style = """
        <style>text{font:12px sans-serif;fill:#333}.t{font-weight:bold}.g{stroke:#8884}\
        path{fill:none;stroke-width:1.5}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>
        """

    /// Points of results, by family.
    static func series(
        _ results: [EvaluationResult], hit: (EvaluationResult) -> Double
    ) -> [Series] {
        var series: [Series] = []
        for result in results where result.idle > 0 {
            let isRecent = result.policy.hasSuffix(":recent")
            let fields = result.policy.split(separator: ":")
            // Sizes of blocks are a choice of their own where a family sweeps something else.
            let size = result.family == PolicyFamily.predictive.rawValue ? ", blocks of \(fields.last ?? "")" : ""
            let reserve = result.family == PolicyFamily.keep.rawValue && fields.count > 3 ? " and a reserve" : ""
            let name = result.family + (isRecent ? " on recent hosts" : "") + size + reserve
            let index = series.firstIndex { $0.name == name } ?? series.count
            if index == series.count { series.append(Series(name: name, points: [])) }
            series[index].points.append((result.idle, hit(result), result.policy))
        }
        for index in series.indices { series[index].points.sort { $0.idle < $1.idle } }
        return series
    }

    var svg: String {
        let frame = Self.frame
        let idle = series.flatMap(\.points).map(\.idle)
        let low = Chart.log10(max(1e-3, idle.min() ?? 0.1)).rounded(.down)
        let high = max(low + 1, Chart.log10(max(1e-3, idle.max() ?? 1)).rounded(.up))
        func x(_ value: Double) -> String {
            fixed(frame.left + (Chart.log10(value) - low) / (high - low) * (frame.right - frame.left), 1)
        }
        func y(_ share: Double) -> String { fixed(frame.bottom - share * (frame.bottom - frame.top), 1) }
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(Self.size.width)) \(Int(Self.size.height))\""
                + " role=\"img\" aria-label=\"\(title)\">", Self.style,
            "<text class=\"t\" x=\"\(Int(frame.left))\" y=\"20\">\(title)</text>",
            "<text x=\"\(Int((frame.left + frame.right) / 2))\" y=\"\(Int(frame.bottom) + 36)\" text-anchor=\"middle\">"
                + "identifiers idle, % of those in use</text>",
        ]
        for share in [0, 0.2, 0.4, 0.6, 0.8, 1] {
            lines.append("<path class=\"g\" d=\"M\(Int(frame.left)) \(y(share))H\(Int(frame.right))\"/>")
            lines.append(
                "<text x=\"\(Int(frame.left) - 6)\" y=\"\(y(share))\" dy=\"4\" text-anchor=\"end\">"
                    + "\(Int(share * 100)) %</text>")
        }
        for decade in Int(low)...Int(high) {
            let value = Chart.power(10, decade)
            lines.append("<path class=\"g\" d=\"M\(x(value)) \(Int(frame.top))V\(Int(frame.bottom))\"/>")
            lines.append(
                "<text x=\"\(x(value))\" y=\"\(Int(frame.bottom) + 18)\" text-anchor=\"middle\">"
                    + "\(fixed(value * 100, value < 0.01 ? 1 : 0))</text>")
        }
        for (index, one) in series.enumerated() {
            let colour = Self.colours[index % Self.colours.count]
            let path = one.points.enumerated().map { "\($0 == 0 ? "M" : "L")\(x($1.idle)) \(y($1.hit))" }.joined()
            lines.append("<path stroke=\"\(colour)\" d=\"\(path)\"/>")
            for point in one.points {
                lines.append(
                    "<circle cx=\"\(x(point.idle))\" cy=\"\(y(point.hit))\" r=\"3.5\" fill=\"\(colour)\">"
                        + "<title>\(point.policy)</title></circle>")
            }
            let (column, row) = (Double(index % 3) * 212, Double(index / 3) * 18)
            let (left, top) = (Int(frame.left + column), Int(frame.bottom + 58 + row))
            lines.append("<circle cx=\"\(left)\" cy=\"\(top - 4)\" r=\"3.5\" fill=\"\(colour)\"/>")
            lines.append("<text x=\"\(left + 10)\" y=\"\(top)\">\(one.name)</text>")
        }
        return (lines + ["</svg>", ""]).joined(separator: "\n")
    }
}
