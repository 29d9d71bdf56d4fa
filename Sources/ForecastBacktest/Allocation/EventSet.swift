public import FoundationEssentials

/// Launches and stops of a set of applications: `meta.json` and `events.csv` or `events.csv.gz` in one folder.
public struct EventSet: Sendable {
    /// Of one application.
    public struct Application: Sendable {
        public var id: String
        /// Where the trace comes from; what is left out together when constants are fitted.
        public var source: String
        /// Launches and stops were taken down where they happened, not made from samples of a load.
        public var isTrue: Bool
        /// In the order of time.
        public var events: [Event]

        public init(id: String, source: String, isTrue: Bool, events: [Event]) {
            (self.id, self.source, self.isTrue, self.events) = (id, source, isTrue, events)
        }
    }

    public struct Event: Sendable, Hashable {
        /// Seconds from the start of what is scored; the past before it is negative.
        public var time: Double
        /// VMs that are launched, or stop.
        public var delta: Int
        public init(time: Double, delta: Int) { (self.time, self.delta) = (time, delta) }
    }

    /// Seconds that are scored.
    public static let end = 4 * 86_400.0
    /// Seconds between decisions.
    public static let tick = 300.0
    /// Seconds until a decision serves.
    public static let lead = 10.0

    /// By identifier.
    public var applications: [Application]

    public init(applications: [Application]) { self.applications = applications }

    public init(folder: URL) throws(TraceError) {
        let meta = try TraceSet.meta(folder.appending(path: "meta.json"))
        let (path, text) = try TraceSet.table("events", in: folder)
        var events: [String: [Event]] = [:]
        var line = 1
        for row in text.split(separator: UInt8(ascii: "\n")).dropFirst() {
            line += 1
            let fields = row.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            guard fields.count >= 3, let time = Double(String(decoding: fields[0], as: UTF8.self)),
                let delta = Double(String(decoding: fields[2], as: UTF8.self)), delta.magnitude < 1e9, time.isFinite
            else { throw .malformed(path: path, line: line) }
            guard time < Self.end else { continue }
            events[String(decoding: fields[1], as: UTF8.self), default: []].append(
                Event(time: time, delta: Int(delta)))
        }
        applications = []
        for (id, events) in events.sorted(by: { $0.key < $1.key }) {
            guard let own = meta[id] else { throw .undescribed(series: id) }
            applications.append(
                Application(
                    id: id, source: own.source ?? id, isTrue: own.isTrue ?? false,
                    events: events.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
                        .map(\.element)))
        }
    }

    /// All of ``Application/source``, in order.
    public var sources: [String] { Set(applications.map(\.source)).sorted() }
}
