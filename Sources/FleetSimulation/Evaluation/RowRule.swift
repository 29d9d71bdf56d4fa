import NetworkTypes

/// Decisions that somebody else wrote down: rows of `t`, `app`, `target` and, where they are given, `ttl` and `extra`.
///
/// From `t` on the application holds `target` identifiers, those in use included, and at least `extra` unused at any
/// moment; until its next row, or for `ttl` seconds (a day unless said), whichever is first; then none beyond those in
/// use.
public struct PolicyRows: Hashable, Sendable {
    struct Row: Hashable, Sendable {
        var at: Instant
        var until: Instant
        var target: HoldingTarget
    }

    /// By application, then by time.
    private(set) var rows: [String: [Row]] = [:]
    let name: String

    private static let life = 86_400.0

    /// - Parameter name: what the policy is called in reports.
    public init(csv bytes: [UInt8], name: String) throws(PolicyRowsError) {
        self.name = name
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let head = lines.first.map(Self.fields) ?? []
        var place: [String: Int] = [:]
        for (index, name) in head.enumerated() { place[name] = index }
        guard let time = place["t"], let app = place["app"], let target = place["target"] else { throw .columns(head) }
        for (index, line) in lines.enumerated().dropFirst() where !line.isEmpty {
            let fields = Self.fields(line)
            func number(_ column: String, default standard: Double) throws(PolicyRowsError) -> Double {
                guard let index = place[column], index < fields.count, !fields[index].isEmpty else { return standard }
                guard let value = Double(fields[index]), value.isFinite, abs(value) < 1e9 else {
                    throw .malformed(line: index + 1)
                }
                return value
            }
            guard time < fields.count, app < fields.count, target < fields.count, let at = Double(fields[time]),
                abs(at) < 1e9
            else { throw .malformed(line: index + 1) }
            for column in ["start", "len"] where try number(column, default: 0) != 0 { throw .ranges(line: index + 1) }
            let life = try number("ttl", default: Self.life)
            let total = try number("target", default: 0)
            let extra = try number("extra", default: 0)
            guard total >= 0, extra >= 0, life >= 0 else { throw .malformed(line: index + 1) }
            let row = Row(
                at: Self.instant(at), until: Self.instant(at + life),
                target: HoldingTarget(total: Int(total), extra: Int(extra)))
            rows[fields[app], default: []].append(row)
        }
        for app in rows.keys { rows[app]?.sort { $0.at < $1.at } }
    }

    private static func instant(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64((seconds * 1e9).rounded())) }

    private static func fields(_ line: ArraySlice<UInt8>) -> [String] {
        var line = line
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}

/// Why rows cannot be replayed.
public enum PolicyRowsError: Error, Hashable, CustomStringConvertible {
    case columns([String])
    case malformed(line: Int)
    /// Explicit ranges of identifiers: they name no host, so nothing here could serve from them.
    case ranges(line: Int)

    public var description: String {
        switch self {
        case .columns(let head): "columns \(head.joined(separator: ",")): t, app and target are needed"
        case .malformed(let line): "line \(line) is not a row of the columns above it"
        case .ranges(let line): "line \(line) names a range; only targets can be laid out on hosts"
        }
    }
}

struct RowRule: TargetRule {
    let name: String
    private let rows: [[PolicyRows.Row]]
    /// By application: rows whose time has come.
    private var passed: [Int]

    init(_ rows: PolicyRows, applications: [String]) {
        name = rows.name
        self.rows = applications.map { rows.rows[$0] ?? [] }
        passed = Array(repeating: 0, count: applications.count)
    }

    mutating func observe(_ event: EvaluationEvent) {}

    mutating func target(_ application: Int, bound: Int, at now: Instant) -> HoldingTarget {
        let rows = rows[application]
        while passed[application] < rows.count, rows[passed[application]].at <= now { passed[application] += 1 }
        guard passed[application] > 0, rows[passed[application] - 1].until > now else { return HoldingTarget(total: 0) }
        return rows[passed[application] - 1].target
    }
}
