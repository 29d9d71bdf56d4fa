public import NetworkTypes

/// Launches and stops of applications over time, without hosts: what an orchestrator was asked for.
///
/// Times before zero are history to learn from; what is scored begins at zero.
public struct EventTrace: Hashable, Sendable {
    /// So many VMs of one application start or stop at one instant.
    public struct Change: Hashable, Sendable {
        public var at: Instant
        /// Place in ``EventTrace/applications``.
        public var application: Int
        /// Launches, or stops when negative.
        public var delta: Int
        public init(at: Instant, application: Int, delta: Int) {
            self.at = at
            self.application = application
            self.delta = delta
        }
    }

    /// By name.
    public private(set) var applications: [String]
    /// By time.
    public private(set) var changes: [Change]

    /// - Parameter changes: in the order of their instants; those of one instant happen as listed.
    public init(applications: [String], changes: [Change]) {
        precondition(
            zip(changes, changes.dropFirst()).allSatisfy { $0.at <= $1.at }, "changes are given in the order of time")
        self.applications = applications
        self.changes = changes
    }

    /// Reads `t,app,delta`: seconds, a name, launches (above zero) or stops (below).
    public init(csv bytes: [UInt8]) throws(EventTraceError) {
        var numbers: [String: Int] = [:]
        var names: [String] = []
        var changes: [Change] = []
        var line = 1
        for row in bytes.split(separator: UInt8(ascii: "\n")).dropFirst() {
            line += 1
            let fields = row.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            guard fields.count == 3, let seconds = Double(Self.text(fields[0])), abs(seconds) < 1e9,
                let delta = Double(Self.text(fields[2])).flatMap({ Int(exactly: $0) })
            else { throw .malformed(line: line) }
            let name = Self.text(fields[1])
            let number = numbers[name] ?? names.count
            if number == names.count {
                numbers[name] = number
                names.append(name)
            }
            let at = Instant(nanoseconds: Int64((seconds * 1e9).rounded()))
            changes.append(Change(at: at, application: number, delta: delta))
        }
        let order = names.indices.sorted { names[$0] < names[$1] }
        var place = Array(repeating: 0, count: names.count)
        for (new, old) in order.enumerated() { place[old] = new }
        for index in changes.indices { changes[index].application = place[changes[index].application] }
        // Rows of one instant keep their order: a restart is a stop and a launch.
        let sorted = changes.enumerated().sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }
        self.init(applications: order.map { names[$0] }, changes: sorted.map(\.element))
        try checkNothingStopsTwice()
    }

    /// The same of some applications.
    public func only(_ isWanted: (String) -> Bool) -> EventTrace {
        let kept = applications.indices.filter { isWanted(applications[$0]) }
        var place: [Int: Int] = [:]
        for (new, old) in kept.enumerated() { place[old] = new }
        let changes = changes.compactMap { change in
            place[change.application].map { Change(at: change.at, application: $0, delta: change.delta) }
        }
        return EventTrace(applications: kept.map { applications[$0] }, changes: changes)
    }

    private static func text(_ field: some Sequence<UInt8>) -> String { String(decoding: Array(field), as: UTF8.self) }

    private func checkNothingStopsTwice() throws(EventTraceError) {
        var present = Array(repeating: 0, count: applications.count)
        for change in changes {
            present[change.application] += change.delta
            guard present[change.application] >= 0 else {
                throw .stopsMore(
                    application: applications[change.application], seconds: change.at.nanoseconds / 1_000_000_000)
            }
        }
    }
}

/// Why a trace cannot be replayed.
public enum EventTraceError: Error, Hashable, CustomStringConvertible {
    case malformed(line: Int)
    /// More VMs stop than run.
    case stopsMore(application: String, seconds: Int64)

    public var description: String {
        switch self {
        case .malformed(let line): "line \(line) of the events is not t,app,delta"
        case .stopsMore(let application, let seconds): "more VMs of \(application) stop at \(seconds) s than run"
        }
    }
}
