import CoordinatorCore
import DaemonSupport
import NetworkTypes
import Prometheus

/// Learns applications' past from range queries, in chunks of time that keep answers short.
struct PrometheusBackfill: Sendable {
    /// Fewer points are not asked for at once: a server that finds them too many is asked no more.
    private static let pointsMin = 10

    let source: PrometheusSource
    let plan: BackfillPlan
    /// Seconds since 1970: the end of the plan's slot.
    let now: Double
    /// By name and by id, as the label may hold either.
    private let ids: [String: ApplicationID]
    private var builders: [ApplicationID: PastBuilder] = [:]

    init(source: PrometheusSource, plan: BackfillPlan, now: Double) {
        self.source = source
        self.plan = plan
        self.now = now
        ids = Dictionary(
            plan.applications.flatMap { [($0.value, $0.key), ($0.key.description, $0.key)] },
            uniquingKeysWith: { first, _ in first })
    }

    /// - Returns: what was learnt, by application.
    /// - Throws: what kept VMs from being told of any part.
    mutating func run() async throws(PrometheusError) -> [ApplicationID: LearntPast] {
        let step = source.stepSeconds
        let end = (now / step).rounded(.down) * step
        var start = end - (source.settings.backfill.inSeconds / step).rounded(.down) * step
        var points = PrometheusSource.pointsMax
        while start <= end {
            let last = min(end, start + Double(points - 1) * step)
            do throws(PrometheusError) {
                let table = try await source.past(from: start, to: last)
                for name in table.names {
                    learn(name, table)
                    await Task.yield()
                }
                start = last + step
            } catch {
                guard case .oversized = error, points > Self.pointsMin else { throw error }
                points = max(Self.pointsMin, points / 4)
            }
        }
        return builders.compactMapValues(\.past)
    }

    /// A value stands for the step that ends with it.
    private mutating func learn(_ name: String, _ table: PrometheusTable) {
        guard let id = ids[name] else { return }
        var builder = builders[id] ?? PastBuilder(shape: plan.shape, teaching: plan.teaching[id])
        let share = plan.interval / source.settings.step
        let width = max(1, Int((1 / share).rounded()))
        var told = 0
        for moment in table.moments(of: name) {
            let last = slot(at: moment.seconds)
            for slot in last - width + 1...last {
                let isFirst = slot == last - width + 1
                guard
                    let sample = table.sample(of: name, at: moment, share: share, isFirst: isFirst),
                    sample.vms <= CoordinatorMachine.externalVMsMax
                else { continue }
                if builder.add(sample, at: slot) { told += 1 }
            }
        }
        builders[id] = builder
        source.counts.update { $0.pastSamples += told }
    }

    private func slot(at seconds: Double) -> Int {
        plan.slot - Int(((now - seconds) / plan.interval.inSeconds).rounded())
    }
}
