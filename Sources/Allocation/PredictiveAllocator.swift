public import NetworkTypes

/// Decides what each application should own, where, and what it gives back.
///
/// The target is the larger of what reactive rules hold (in use + cooling + pending + floor, and the watermark of each
/// active host) and the class's quantile of the peak of demand until the next decision plus the lead time: a forecast
/// may only add. Without a usable forecast (absent, cold, degraded, or a horizon that has not matured) what remains is
/// exactly the watermark policy. Rises are followed at once; falls wait for the hold time and for the release horizon.
public struct PredictiveAllocator: Hashable, Sendable {
    public var settings: AllocationSettings

    public init(settings: AllocationSettings) { self.settings = settings }

    /// One decision; pure but for `memory`, which belongs to the application.
    public func decide(
        _ input: AllocationInput, memory: inout AllocationMemory, at now: Instant
    ) -> AllocationDecision {
        if let outlook = input.outlook, input.policy.mode == .stage {
            return stage(input, outlook, memory: &memory, at: now)
        }
        let book = HostBook(input, blockSize: settings.blockSize)
        let forecast = ForecastView(input, book: book, settings: settings)
        let ask = forecast.ask(owned: book.owned, threshold: input.policy.effectiveThreshold)

        let reactive = book.wanted(rise: input.policy.floor + input.pendingElsewhere, policy: input.policy)
        let rise = max(input.policy.floor + input.pendingElsewhere, (ask ?? 0) - book.demand)
        let predicted = book.wanted(rise: rise, policy: input.policy)
        let leasing = input.policy.mode == .stage ? predicted : reactive
        let granted = book.capped(leasing, cap: input.policy.cap, unleased: book.unleased.count)

        var reserveBlocks = book.missing(granted) - book.unleased.count
        if input.policy.mode == .reserve, let ask {
            let whole = (ask + settings.blockSize - 1) / settings.blockSize
            reserveBlocks = max(reserveBlocks, whole - book.ownedBlocks)
        }
        if let cap = input.policy.cap {
            reserveBlocks = min(reserveBlocks, cap / settings.blockSize - book.ownedBlocks)
        }
        let reactiveBlocks = book.missing(reactive) - book.unleased.count
        // Below the threshold blocks may still lie on the wrong hosts; what that takes is recorded as on demand.
        let isConfident = (forecast.confidence ?? 0) > input.policy.effectiveThreshold
        let order = reserveOrder(blocks: reserveBlocks, ahead: isConfident && reserveBlocks > max(0, reactiveBlocks))

        let keep = keeping(input, book: book, forecast: forecast, granted: granted)
        let releases = plan(keep, book: book, granted: granted, memory: &memory, at: now)

        let floor = max(input.policy.floor, book.watermarkFloor(input.policy))
        let pending = book.pending + input.pendingElsewhere
        return AllocationDecision(
            application: input.application, mode: input.policy.mode, inUse: book.inUse, cooling: book.cooling,
            pending: pending, floor: floor, forecast: forecast.peak,
            target: max(book.inUse + book.cooling + pending + floor, input.policy.mode == .observe ? 0 : ask ?? 0),
            owned: book.owned, confidence: forecast.confidence, threshold: input.policy.effectiveThreshold,
            reserve: order, shares: book.shares(granted), leases: leases(book.shares(granted)),
            extendTo: lifeAhead(forecast),
            releases: releases,
            reason: Reasons(input: input, book: book, forecast: forecast, settings: settings).text(
                order: order, wanted: leasing, granted: granted, releases: releases))
    }

    /// Whether hosts of which nothing is known, and which an input may therefore leave out, take part in the decision:
    /// where something has to go and no host shows where, all of them share it.
    public func concernsEveryHost(_ input: AllocationInput) -> Bool {
        if input.outlook != nil, input.policy.mode == .stage { return false }
        let shows = input.hosts.contains { host in
            let (recent, share) = (host.recentLaunches, host.forecastShare ?? 0)
            return host.acceptsLeases && host.weight > 0 && (host.inUse > 0 || recent > 0 || share > 0)
        }
        if shows { return false }
        let standing = input.policy.floor + input.pendingElsewhere
        guard standing <= 0, input.forecast != nil else { return standing > 0 }
        let book = HostBook(input, blockSize: settings.blockSize)
        let forecast = ForecastView(input, book: book, settings: settings)
        return [forecast.peak, forecast.keep].contains { ForecastView.whole($0 ?? 0) > book.demand }
    }

    private func leases(_ shares: [HostShare]) -> [LeaseWish] {
        let order = settings.blockSize.trailingZeroBitCount
        return shares.flatMap { Array(repeating: LeaseWish(host: $0.host, order: order), count: $0.lease) }
    }

    private func reserveOrder(blocks: Int, ahead: Bool) -> ReserveOrder? {
        guard blocks > 0 else { return nil }
        return ReserveOrder(
            kind: ahead ? .predicted : .standard, identifiers: blocks * settings.blockSize,
            blockOrder: settings.blockSize.trailingZeroBitCount,
            lifetime: ahead ? settings.reservationLifetime : settings.standardLifetime)
    }

    /// Without a forecast nothing is promised for longer than a standard reservation.
    private func lifeAhead(_ forecast: ForecastView) -> Duration {
        forecast.isUsable ? settings.reservationLifetime : settings.standardLifetime
    }
}
