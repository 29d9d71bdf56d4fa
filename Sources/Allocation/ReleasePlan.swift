import NetworkTypes

extension PredictiveAllocator {
    /// Blocks that each host (and the unleased rest) keeps: what is wanted now and what the forecast asks back within
    /// the release horizon.
    struct Keep {
        var hosts: [Int]
        var unleased: Int
    }

    func keeping(_ input: AllocationInput, book: HostBook, forecast: ForecastView, granted: [Int]) -> Keep {
        let standing = input.policy.floor + input.pendingElsewhere
        let demand = forecast.keep.map(ForecastView.whole) ?? 0
        switch input.policy.mode {
        case .stage:
            let ahead = book.wanted(rise: max(standing, demand - book.demand), policy: input.policy)
            let hosts = zip(granted, ahead).map(max)
            return Keep(hosts: hosts, unleased: book.missing(hosts))
        case .reserve:
            let whole = (demand + settings.blockSize - 1) / settings.blockSize
            let leased = book.ownedBlocks - book.unleased.count
            return Keep(hosts: granted, unleased: max(book.missing(granted), whole - leased))
        case .observe:
            return Keep(hosts: granted, unleased: book.missing(granted))
        }
    }

    /// The release schedule, soonest first.
    func plan(
        _ keep: Keep, book: HostBook, granted: [Int], memory: inout AllocationMemory, at now: Instant
    ) -> [ScheduledRelease] {
        var releases: [ScheduledRelease] = []
        var remembered: [HostID: SurplusHold] = [:]
        for (index, row) in book.rows.enumerated() where row.demand.acceptsLeases {
            let host = row.demand.host
            var hold = memory.hosts[host] ?? SurplusHold(level: row.held, at: now)
            hold.wish(keep.hosts[index], at: now, hold: settings.releaseHold)
            remembered[host] = hold
            releases += surplus(
                book.blocks.filter { $0.host == host }, held: row.held, hold: hold, at: now,
                owner: "host \(host)")
        }
        memory.hosts = remembered
        var hold =
            memory.reserved ?? SurplusHold(level: book.unleased.count, at: now)
        hold.wish(keep.unleased, at: now, hold: settings.releaseHold)
        memory.reserved = hold
        // Blocks on their way to hosts are taken from the lowest ones.
        let spare = Array(book.unleased.dropFirst(book.missing(granted)))
        releases += surplus(spare, held: book.unleased.count, hold: hold, at: now, owner: "the reserve")
        return releases.sorted { $0.after < $1.after }
    }

    private func surplus(
        _ blocks: [OwnedBlock], held: Int, hold: SurplusHold, at now: Instant, owner: String
    ) -> [ScheduledRelease] {
        let idle = blocks.filter { $0.inUse == 0 && $0.cooling == 0 }.sorted { left, right in
            let (a, b) = (left.idleSince ?? .distantPast, right.idleSince ?? .distantPast)
            return a == b ? left.block > right.block : a < b
        }
        let due = max(0, held - hold.level)
        let later = max(0, held - hold.next)
        let wait = hold.remaining(at: now, hold: settings.releaseHold)
        return idle.prefix(later).enumerated().map { index, block in
            let level = index < due ? hold.level : hold.next
            return ScheduledRelease(
                block: block.block, host: block.host, after: index < due ? .zero : wait,
                reason: "\(owner) holds \(blockCount(held)) and needs \(level) "
                    + (index < due
                        ? "for \(seconds(settings.releaseHold)) now" : "unless demand returns within \(seconds(wait))"))
        }
    }
}

extension Instant {
    fileprivate static var distantPast: Instant { Instant(nanoseconds: .min) }
}
