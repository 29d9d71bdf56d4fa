import Synchronization

/// One statement about the run that must hold.
struct Check: Codable, Sendable {
    var name: String
    var ok: Bool
    var detail: String
}

/// The checks made so far, in order.
final class Checks: Sendable {
    private let entries = Mutex<[Check]>([])
    private let progress: Progress
    init(_ progress: Progress) { self.progress = progress }

    func record(_ name: String, _ ok: Bool, _ detail: String) {
        entries.withLock { $0.append(Check(name: name, ok: ok, detail: detail)) }
        progress.step("\(ok ? "ok  " : "FAIL") \(name): \(detail)")
    }

    var all: [Check] { entries.withLock { $0 } }
    var passed: Bool { all.allSatisfy(\.ok) }
}
