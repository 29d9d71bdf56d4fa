/// A line chart as SVG: axes, grid, legend; readable on light and dark ground. Only what churn plots need.
struct Chart {
    struct Series {
        var name: String
        /// By x.
        var points: [(x: Double, y: Double)]
    }

    var title: String
    /// With its unit.
    var yLabel: String
    var xLabel = "day"
    var isLogarithmic = false
    var series: [Series]

    private static let size = (width: 720.0, height: 320.0)
    private static let frame = (left: 64.0, top: 40.0, right: 704.0, bottom: 272.0)
    /// Told apart with any kind of colour vision (Okabe and Ito, 2008), on white and on black.
    private static let colours = ["#0072b2", "#e69f00", "#cc79a7", "#009e73"]
    private static let style = """
        <style>text{font:12px sans-serif;fill:#333}.t{font-weight:bold}.g{stroke:#8884}.a{stroke:#888}\
        path{fill:none;stroke-width:1.5}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>
        """

    var svg: String {
        let (low, high, ticks) = scale
        let days = max(1, series.flatMap(\.points).map(\.x).max() ?? 1)
        let frame = Self.frame
        func x(_ value: Double) -> String { fixed(frame.left + value / days * (frame.right - frame.left), 1) }
        func y(_ value: Double) -> String {
            let share = (position(value) - low) / (high - low)
            return fixed(frame.bottom - share * (frame.bottom - frame.top), 1)
        }
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(Self.size.width)) \(Int(Self.size.height))\""
                + " role=\"img\" aria-label=\"\(title)\">",
            Self.style,
            text(frame.left, 20, title, "class=\"t\""),
            text(frame.right, 20, yLabel, "text-anchor=\"end\""),
            text((frame.left + frame.right) / 2, frame.bottom + 32, xLabel, "text-anchor=\"middle\""),
        ]
        for tick in ticks {
            let kind = tick == ticks.first ? "a" : "g"
            lines.append("<path class=\"\(kind)\" d=\"M\(fixed(frame.left, 1)) \(y(tick))H\(fixed(frame.right, 1))\"/>")
            lines.append(
                "<text x=\"\(Int(frame.left) - 6)\" y=\"\(y(tick))\" dy=\"4\" text-anchor=\"end\">\(label(tick))</text>"
            )
        }
        let every = days > 12 ? 5 : 1
        for day in stride(from: 0, through: Int(days), by: every) {
            lines.append(
                "<text x=\"\(x(Double(day)))\" y=\"\(Int(frame.bottom) + 16)\" text-anchor=\"middle\">\(day)</text>")
        }
        for (index, one) in series.enumerated() {
            let colour = Self.colours[index % Self.colours.count]
            let path = one.points.enumerated().map { "\($0 == 0 ? "M" : "L")\(x($1.x)) \(y($1.y))" }.joined()
            // What two series share stays visible through the gaps of the upper one.
            let ink = "stroke=\"\(colour)\"" + (index > 1 ? " stroke-dasharray=\"5 4\"" : "")
            lines.append("<path \(ink) d=\"\(path)\"/>")
            let place = frame.left + Double(index) * 200
            lines.append("<path \(ink) d=\"M\(Int(place)) 312h24\"/>")
            lines.append(text(place + 30, 316, one.name, ""))
        }
        return (lines + ["</svg>", ""]).joined(separator: "\n")
    }

    private func text(_ x: Double, _ y: Double, _ content: String, _ attributes: String) -> String {
        "<text x=\"\(Int(x))\" y=\"\(Int(y))\"\(attributes.isEmpty ? "" : " " + attributes)>\(content)</text>"
    }

    private func position(_ value: Double) -> Double { isLogarithmic ? Self.log10(max(value, 1e-3)) : value }

    /// Lowest and highest position on the axis, and the values that get a line.
    private var scale: (low: Double, high: Double, ticks: [Double]) {
        let values = series.flatMap(\.points).map(\.y)
        let (least, most) = (values.min() ?? 0, values.max() ?? 1)
        if isLogarithmic {
            let low = Self.log10(max(least, 1)).rounded(.down)
            let high = max(low + 1, Self.log10(max(most, 1)).rounded(.up))
            let ticks = stride(from: Int(low), through: Int(high), by: 1).map { Self.power(10, $0) }
            return (low, high, ticks)
        }
        var step = Self.power(10, Int(Self.log10(max(most, 1e-3)).rounded(.down)))
        if most / step < 2 { step /= 5 } else if most / step < 5 { step /= 2 }
        let count = Int((most / step).rounded(.up))
        return (0, Double(max(1, count)) * step, (0...max(1, count)).map { Double($0) * step })
    }

    private func label(_ value: Double) -> String {
        if value >= 1_000_000 { return fixed(value / 1_000_000, 0) + "M" }
        if value >= 10_000 { return fixed(value / 1000, 0) + "k" }
        return fixed(value, value < 1 && value > 0 || value != value.rounded() ? 2 : 0)
    }

    static func power(_ base: Double, _ exponent: Int) -> Double {
        var result = 1.0
        for _ in 0..<exponent.magnitude { result *= base }
        return exponent < 0 ? 1 / result : result
    }

    /// By halving the mantissa's interval: a picture needs three digits, and a core imports no mathematics library.
    static func log10(_ value: Double) -> Double {
        var (mantissa, result) = (value.significand, Double(value.exponent))
        var bit = 0.5
        for _ in 0..<24 {
            mantissa *= mantissa
            if mantissa >= 2 {
                mantissa /= 2
                result += bit
            }
            bit /= 2
        }
        return result * 0.301_029_995_664
    }
}

/// A number with so many decimals.
func fixed(_ value: Double, _ decimals: Int) -> String {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let whole = Int((value.magnitude * scale).rounded())
    let sign = value < 0 && whole > 0 ? "-" : ""
    guard decimals > 0 else { return sign + String(whole) }
    let fraction = String(whole % Int(scale))
    return sign + "\(whole / Int(scale))." + String(repeating: "0", count: decimals - fraction.count) + fraction
}
