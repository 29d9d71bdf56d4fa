/// Where lines go. One line per event: step, seconds, actor, event, details, in columns that `docs/simulation.md`
/// explains. Without a sink nothing is formatted.
struct Log {
    var sink: ((String) -> Void)?
    var isOn: Bool { sink != nil }
}

extension World {
    /// `actor` is `c` and the number of a coordinator's process, `h` and the number of a host, `op`, or `world`.
    func trace(_ actor: @autoclosure () -> String, _ event: StaticString, _ details: @autoclosure () -> String) {
        guard let sink = log.sink else { return }
        let micros = now / Time.microsecond
        let fraction = String(micros % 1_000_000)
        let seconds = "\(micros / 1_000_000)." + String(repeating: "0", count: 6 - fraction.count) + fraction
        sink(
            "\(Self.pad(String(steps), 7)) \(Self.pad(seconds, 12)) \(Self.fill(actor(), 5)) "
                + "\(Self.fill("\(event)", 14)) \(details())")
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
    private static func fill(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
