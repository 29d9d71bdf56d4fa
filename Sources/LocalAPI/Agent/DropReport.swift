/// Packets that a host's filters dropped, by reason.
public struct DropReport: Hashable, Sendable {
    /// One reason and how often it applied, since the filter that counts it was made.
    public struct Drop: Hashable, Sendable {
        /// Stable word: `source`, `pair`, `ingress`, ...
        public var reason: String
        /// Where: `port`, `overlay`, `tunnel` or `underlay`.
        public var place: String
        public var packets: UInt64
        /// Nil where only packets are counted.
        public var bytes: UInt64?
        /// The reason in a few words.
        public var explanation: String
        public init(reason: String, place: String, packets: UInt64, bytes: UInt64?, explanation: String) {
            self.reason = reason
            self.place = place
            self.packets = packets
            self.bytes = bytes
            self.explanation = explanation
        }
    }
    /// Every reason that there is, also those that never applied.
    public var drops: [Drop]
    public init(drops: [Drop]) { self.drops = drops }
}

extension DropReport {
    public var json: JSONValue { .fields(["drops": .array(drops.map(\.json))]) }

    public init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, known: nil)
        drops = try fields.list("drops") { (value) throws(VarlinkFailure) in try Drop(json: value) }
    }
}

extension DropReport.Drop {
    fileprivate var json: JSONValue {
        .fields([
            "reason": .string(reason), "place": .string(place), "packets": .number(packets),
            "bytes": bytes.map { .number($0) }, "explanation": .string(explanation),
        ])
    }

    fileprivate init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, name: "drop", known: nil)
        self.init(
            reason: try fields.text("reason"), place: try fields.text("place"), packets: try fields.number("packets"),
            bytes: fields.isAbsent("bytes") ? nil : try fields.number("bytes"),
            explanation: try fields.text("explanation"))
    }
}
