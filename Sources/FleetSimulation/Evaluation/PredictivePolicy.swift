import Allocation
import Forecasting
import NetworkTypes

/// The product's allocator: with the profiler's forecast, or without, which is its watermark rule.
struct PredictivePolicy: EvaluatedPolicy {
    /// Asked for the quantile of a class, answers with another: the classes know three, a sweep has more.
    private struct Levelled: DemandForecast {
        var forecast: ApplicationForecaster
        var level: Double
        var state: ProfileState { forecast.state }
        func peakQuantile(_: Double, lead: Duration) -> Double? { forecast.peakQuantile(level, lead: lead) }
        func exceedance(of held: Int, within horizon: Duration) -> Double? {
            forecast.exceedance(of: held, within: horizon)
        }
    }

    /// Nil: the watermark rule.
    private let quantile: Double?
    private let order: Int
    private let start: Instant
    private let allocator: PredictiveAllocator
    private let policy: AllocationPolicy
    private let hosts: [HostID]
    private let places: [HostID: Int]
    private let applications: [ApplicationID]
    private var recorders: [DemandRecorder]
    private var shares: HostShares
    private var memories: [AllocationMemory]

    /// - Parameter recorders: as they are at the begin of the replay; none for the watermark rule.
    init(
        quantile: Double?, order: Int, names: EvaluationNames, plan: EvaluationPlan,
        recorders: [DemandRecorder]
    ) {
        self.quantile = quantile
        self.order = order
        self.recorders = recorders
        start = plan.start
        (hosts, applications) = (names.hosts, names.applications)
        places = Dictionary(uniqueKeysWithValues: zip(hosts, hosts.indices))
        allocator = PredictiveAllocator(
            settings: AllocationSettings(
                blockSize: 1 << order, decisionInterval: plan.decisionInterval, leadTime: plan.leadTime))
        policy = AllocationPolicy(threshold: quantile.map { 1 - $0 })
        shares = HostShares(applications: applications.count, hosts: hosts.count)
        memories = Array(repeating: AllocationMemory(), count: applications.count)
    }

    var name: String { (quantile.map { "predictive:\($0)" } ?? "watermark") + ":\(1 << order)" }

    mutating func observe(_ event: EvaluationEvent) {
        shares.observe(event)
        // The past before the replay is learnt already, once for all of a sweep.
        if quantile != nil, event.at >= start { recorders[event.application].observe(event) }
    }

    mutating func decide(_ application: Int, _ own: ApplicationHoldings, at now: Instant) -> [AllocationStep] {
        var forecast: (any DemandForecast)?
        if let quantile {
            recorders[application].advance(to: now)
            forecast = Levelled(forecast: recorders[application].forecaster, level: quantile)
        }
        let input = AllocationInput(
            application: applications[application], policy: policy, hosts: demands(application, own, at: now),
            blocks: blocks(own, at: now), forecast: forecast)
        let decision = allocator.decide(input, memory: &memories[application], at: now)
        return steps(decision, own)
    }

    func order(_ application: Int, host: Int, _ own: ApplicationHoldings, at now: Instant) -> Int { order }

    /// Fewer recent launches than this move no block.
    private static let trifle = 1e-3

    /// Hosts without VMs, blocks or launches have no part in a decision, unless all are like that.
    private func demands(_ application: Int, _ own: ApplicationHoldings, at now: Instant) -> [HostDemand] {
        let recent = shares.recent(application, at: now)
        let isQuiet = own.bound == 0 && recent.allSatisfy { $0 <= Self.trifle }
        return hosts.indices.compactMap { host in
            guard isQuiet || recent[host] > Self.trifle || !own.blocks[host].isEmpty else { return nil }
            return HostDemand(
                host: hosts[host], inUse: own.bound(on: host), cooling: own.cooling(on: host, at: now),
                recentLaunches: recent[host])
        }
    }

    private func blocks(_ own: ApplicationHoldings, at now: Instant) -> [OwnedBlock] {
        var blocks: [OwnedBlock] = []
        for host in own.carriers {
            for block in own.blocks[host] where !block.isMarked {
                blocks.append(
                    OwnedBlock(
                        block: block.block, host: hosts[host], inUse: block.held.bound,
                        cooling: block.cooling(at: now), idleSince: block.held.emptySince))
            }
        }
        return blocks + ApplicationHoldings.places(own.reserved, order: order)
    }

    private func steps(_ decision: AllocationDecision, _ own: ApplicationHoldings) -> [AllocationStep] {
        var steps: [AllocationStep] = []
        for share in decision.shares {
            guard let host = places[share.host] else { continue }
            let coming = own.coming[host] >> order
            steps += Array(repeating: .lease(host: host, order: order), count: max(0, share.lease - coming))
        }
        if steps.isEmpty, let reserve = decision.reserve, own.requested == 0 {
            steps.append(.reserve(identifiers: reserve.identifiers))
        }
        for release in decision.releases where release.after == .zero {
            if let host = release.host {
                if let place = places[host] { steps.append(.giveBack(release.block, host: place)) }
            } else {
                steps.append(.unreserve(identifiers: release.block.size))
            }
        }
        return steps
    }
}

extension ApplicationHoldings {
    /// Which identifiers are reserved makes no difference, only how many blocks: places outside of the pool stand for
    /// them.
    static func places(_ reserved: Int, order: Int) -> [OwnedBlock] {
        (0..<min(reserved, 4096) >> order).compactMap { index in
            let first = SessionNetworkID(unchecked: UInt32(index << order))
            return SNIBlock(first: first, size: 1 << order).map { OwnedBlock(block: $0) }
        }
    }
}
