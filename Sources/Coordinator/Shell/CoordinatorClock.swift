import NetworkTypes

/// Monotonic time since the process began to look at it. Instants never leave the process: what must last over a
/// restart is kept as a remaining duration.
struct CoordinatorClock: Sendable {
    private let start = ContinuousClock.now

    var now: Instant { Instant(nanoseconds: start.duration(to: ContinuousClock.now).inNanoseconds) }

    func sleep(until instant: Instant) async throws {
        try await Task.sleep(until: start.advanced(by: .nanoseconds(instant.nanoseconds)), clock: .continuous)
    }
}
