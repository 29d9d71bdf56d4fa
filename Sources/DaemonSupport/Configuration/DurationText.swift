/// Durations as configuration writes them: `200ms`, `10s`, `5m`, `24h`, `1h30m`.
public enum DurationText {
    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
        ("ms", 1_000_000),
    ]

    /// What the parser accepts, for messages.
    public static let form = "a duration such as 200ms, 10s, 5m, 24h or 1h30m"

    /// Nil unless `text` is one or more whole numbers, each with a unit out of `d h m s ms`, largest unit first, each
    /// unit at most once.
    public static func parse(_ text: String) -> Duration? {
        var total: Int64 = 0
        var smallestSeen: Int64 = .max
        var rest = Substring(text)
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            let name = rest.prefix { !($0.isASCII && $0.isNumber) }
            rest = rest.dropFirst(name.count)
            guard let number = Int64(digits), let unit = units.first(where: { $0.name == name }),
                unit.nanoseconds < smallestSeen
            else { return nil }
            smallestSeen = unit.nanoseconds
            let (product, productOverflow) = number.multipliedReportingOverflow(by: unit.nanoseconds)
            let (sum, sumOverflow) = total.addingReportingOverflow(product)
            guard !productOverflow, !sumOverflow else { return nil }
            total = sum
        }
        return .nanoseconds(total)
    }

    /// The shortest text that ``parse(_:)`` reads back: one unit where the duration is a multiple of it and reads well,
    /// else several. Fractions of a millisecond are cut off.
    public static func print(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        var rest = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        guard rest >= 1_000_000 else { return "0ms" }
        // 24h says more than 1d to somebody who compares it with the text of the documentation.
        if rest % 3_600_000_000_000 == 0, rest < 3 * 86_400_000_000_000 { return "\(rest / 3_600_000_000_000)h" }
        var text = ""
        for unit in units where rest >= unit.nanoseconds {
            text += "\(rest / unit.nanoseconds)\(unit.name)"
            rest %= unit.nanoseconds
        }
        return text
    }
}
