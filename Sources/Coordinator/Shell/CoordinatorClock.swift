import Foundation
import NetworkTypes

/// Monotonic time since the process began to look at it. Instants never leave the process: what must last over a
/// restart is kept as a remaining duration.
struct CoordinatorClock: Sendable {
    private let start = ContinuousClock.now

    var now: Instant { Instant(nanoseconds: start.duration(to: ContinuousClock.now).inNanoseconds) }

    /// Seconds since 1970, for what is about the past of others. Steps and leaps of it change nothing durable.
    static var wall: Double { Date().timeIntervalSince1970 }

    /// Intervals since 1970.
    static func slot(of seconds: Double, interval: Duration) -> Int {
        let slot = (seconds / interval.inSeconds).rounded(.down)
        return slot > 0 && slot < 0x1p53 ? Int(slot) : 0
    }

    func sleep(until instant: Instant) async throws {
        try await Task.sleep(until: start.advanced(by: .nanoseconds(instant.nanoseconds)), clock: .continuous)
    }
}
