public import NetworkTypes

/// With a rule of marginal value and an outlook on hosts, blocks lie where launches are expected.
extension PredictiveAllocator {
    /// How many of the next launches a decision prepares for: up to what the rule holds, and no less than what it keeps
    /// free at any moment.
    public static func launchesAhead(_ advice: MarginalAdvice, inUse: Int) -> Int {
        max(0, advice.extra, advice.target - inUse)
    }

    /// After launches, between two decisions: what they took is staged again from what is reserved, and the reserve is
    /// filled up where half of its low mark is gone. Nothing is taken back.
    ///
    /// - Returns: nil where nothing is foretold, so that only whole decisions count.
    public func follow(_ input: AllocationInput, at now: Instant) -> AllocationDecision? {
        guard let outlook = input.outlook, input.policy.mode == .stage else { return nil }
        var plan = StagingPlan(input, outlook: outlook, settings: settings, at: now)
        plan.follow()
        return decision(input, outlook, plan)
    }

    func stage(
        _ input: AllocationInput, _ outlook: PlacementOutlook, memory: inout AllocationMemory, at now: Instant
    ) -> AllocationDecision {
        var plan = StagingPlan(input, outlook: outlook, settings: settings, at: now)
        plan.review(&memory.staging, at: now)
        return decision(input, outlook, plan)
    }

    private func decision(
        _ input: AllocationInput, _ outlook: PlacementOutlook, _ plan: StagingPlan
    ) -> AllocationDecision {
        let book = HostBook(input, blockSize: settings.blockSize)
        let forecast = ForecastView(input, book: book, settings: settings)
        let pending = book.pending + input.pendingElsewhere
        let floor = max(input.policy.floor, outlook.advice.extra)
        var coming: [HostID: Int] = [:]
        for lease in plan.leases { coming[lease.host, default: 0] += 1 }
        let going = Dictionary(grouping: plan.releases.compactMap(\.host)) { $0 }.mapValues(\.count)
        let order =
            plan.reserve > 0
            ? ReserveOrder(
                kind: pending > 0 ? .standard : .predicted, identifiers: plan.reserve,
                blockOrder: settings.isBlockSizeFixed
                    ? settings.blockSize.trailingZeroBitCount : BlockPolicy.orders.lowerBound,
                lifetime: pending > 0 ? settings.standardLifetime : settings.reservationLifetime)
            : nil
        return AllocationDecision(
            application: input.application, mode: input.policy.mode, inUse: book.inUse, cooling: book.cooling,
            pending: pending, floor: floor, forecast: forecast.peak,
            target: max(outlook.advice.target + book.cooling, book.demand + input.pendingElsewhere + floor),
            owned: book.owned, confidence: forecast.confidence, threshold: input.policy.effectiveThreshold,
            reserve: order,
            shares: book.rows.map { row in
                let host = row.demand.host
                return HostShare(
                    host: host, held: row.held, wanted: row.held + (coming[host] ?? 0) - (going[host] ?? 0))
            },
            leases: plan.leases, extendTo: settings.reservationLifetime, releases: plan.releases,
            reason: reason(input, outlook, plan, order))
    }

    private func reason(
        _ input: AllocationInput, _ outlook: PlacementOutlook, _ plan: StagingPlan, _ order: ReserveOrder?
    ) -> String {
        let advice = outlook.advice
        var parts = [
            "marginal value: hold \(advice.target), \(advice.extra) of them free at any moment; "
                + "\(rounded(outlook.rate)) launches per hour, hosts by \(outlook.order)"
        ]
        if let order {
            parts.append("reserve \(order.identifiers) more (\(order.kind.rawValue), \(seconds(order.lifetime)))")
        }
        if !plan.leases.isEmpty { parts.append("stage \(blockCount(plan.leases.count)) ahead") }
        let recalled = plan.releases.count { $0.isRecall }
        if recalled > 0 { parts.append("take \(blockCount(recalled)) back for other hosts") }
        if plan.releases.count > recalled {
            parts.append("release \(blockCount(plan.releases.count - recalled))")
        }
        if !input.isFleetOpen { parts.append("no host takes leases now") }
        if parts.count == 1 { parts.append("what it owns is where it should be") }
        return parts.joined(separator: "; ")
    }

    private func rounded(_ rate: Double) -> String {
        let tenths = Int((min(rate, 1e12) * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
