import CoordinatorCore
import DaemonSupport
import GRPCCore
import Logging
import NetworkTypes
import Prometheus
import ServiceLifecycle

/// The second source of samples: the past of applications that nobody knows, then what is now, until a graceful shutdown.
///
/// What it says is taken where agents say nothing (see `CoordinatorMachine`); a server that is away, slow or wrong leaves
/// samples unknown, and nothing else.
struct PrometheusFeed: Service {
    /// A past that cannot be had so many times is done without.
    private static let attemptsMax = 5

    let source: PrometheusSource
    let shell: CoordinatorShell
    let clock: CoordinatorClock
    let interval: Duration
    let logger: Logger

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await follow() }
        } catch is CancellationError {
            // How it ends.
        }
    }

    private func follow() async throws {
        var state = State()
        while true {
            let began = clock.now
            if try await backfill(&state) { try await live(&state) }
            try await clock.sleep(until: began + source.settings.step)
        }
    }

    private struct State {
        /// Applications that Prometheus has no past of.
        var without: Set<ApplicationID> = []
        var attempts = 0
        /// What was last wrong, so that the log says a thing once.
        var failure: PrometheusError.Kind?
    }

    /// - Returns: whether the past is settled, so that live samples may follow.
    private func backfill(_ state: inout State) async throws -> Bool {
        // Where no agent counts the intervals, this brings the count up to now.
        let clockSlot = CoordinatorClock.slot(of: CoordinatorClock.wall, interval: interval)
        _ = try await shell.execute(.observe([], clockSlot: clockSlot, lifetime: .zero))
        var plan = try await shell.read { (machine, _) throws(CoordinatorError) in machine.backfillPlan() }
        for id in state.without { plan.applications[id] = nil }
        guard !plan.applications.isEmpty, state.attempts < Self.attemptsMax else { return true }
        var backfill = PrometheusBackfill(
            source: source, plan: plan, now: Double(clockSlot + 1) * interval.inSeconds)
        let pasts: [ApplicationID: LearntPast]
        do throws(PrometheusError) {
            pasts = try await backfill.run()
        } catch {
            state.attempts += 1
            note(error, &state)
            if state.attempts == Self.attemptsMax {
                logger.error("applications are forecast without their past: \(error)")
            }
            return false
        }
        state.attempts = 0
        for (id, past) in pasts {
            do {
                _ = try await shell.execute(.backfill(id.description, past))
                source.counts.update { $0.backfilled += 1 }
            } catch let error as RPCError where error.code != .unavailable {
                logger.info("the past of application \(id) is not needed: \(error.message)")
            }
        }
        state.without.formUnion(plan.applications.keys.filter { pasts[$0] == nil })
        if !pasts.isEmpty {
            logger.info("learnt from the past", metadata: ["applications": "\(pasts.count)"])
        }
        return true
    }

    private func live(_ state: inout State) async throws {
        let time = CoordinatorClock.wall
        let table: PrometheusTable
        do throws(PrometheusError) {
            table = try await source.now(at: time)
        } catch {
            return note(error, &state)
        }
        if state.failure != nil {
            logger.notice("Prometheus answers again")
            state.failure = nil
        }
        source.counts.update { $0.answeredAt = time }
        let share = interval / source.settings.step
        let samples = table.names.compactMap { name in
            table.moments(of: name).last.flatMap { table.sample(of: name, at: $0, share: share) }
        }
        guard !samples.isEmpty else { return }
        // Until the next one, and a little: a slot that is folded late takes what it can.
        let reply = try await shell.execute(
            .observe(
                samples, clockSlot: CoordinatorClock.slot(of: time, interval: interval),
                lifetime: source.settings.step + interval * 2))
        guard case .observed(let outcome) = reply else { return }
        source.counts.update {
            $0.unknown += outcome.unknown
            $0.refused += outcome.refused
        }
    }

    private func note(_ error: PrometheusError, _ state: inout State) {
        // A query that the end of the process breaks off says nothing of the server.
        guard !Task.isCancelled, state.failure != error.kind else { return }
        state.failure = error.kind
        logger.warning(
            "Prometheus gives no samples; what only it tells of is unknown until it does",
            metadata: ["why": "\(error)", "server": "\(source.settings.base)"])
    }
}
