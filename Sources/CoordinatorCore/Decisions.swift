import Allocation
import NetworkTypes
import SNISpace

/// Predictive Allocator: the rule of the `Allocation` module, applied to the book every decision interval.
extension CoordinatorMachine {
    /// Marks and reservations that one decision about one application may make: a wrong forecast must not turn the
    /// whole fleet over at once.
    static let changesPerDecisionMax = 64

    mutating func decideAll() {
        live.timers.arm(.decision, at: now + configuration.decisionInterval)
        live.decidedAt = now
        live.places.follow(state.bindings.boundByHost, of: state.hosts.keys)
        guard !state.restoration.isOn, configuration.profiler != .alone else { return }
        pursueMigrations()
        drainExcluded()
        for id in state.applications.keys.sorted() {
            guard let record = state.applications[id] else { continue }
            if record.deleting { proceedWithDeletion(of: id) } else { decide(record) }
        }
    }

    private mutating func decide(_ record: ApplicationRecord) {
        let allocator = PredictiveAllocator(settings: settings(for: record))
        let input = input(for: record)
        var memory = live.memories[record.id] ?? AllocationMemory()
        var decision = allocator.decide(input, memory: &memory, at: now)
        let promised = promisedBlocks(of: record.id)
        decision.releases.removeAll { release in promised.contains { $0.range.overlaps(release.block.range) } }
        live.memories[record.id] = memory
        live.decisions[record.id] = decision
        live.refusedLaunches[record.id] = nil
        reserve(decision)
        lease(decision)
        extend(decision)
        release(decision)
    }

    func settings(for record: ApplicationRecord) -> AllocationSettings {
        let horizons = configuration.horizons.sorted()
        return AllocationSettings(
            blockSize: blockSize(of: record.id), decisionInterval: configuration.decisionInterval,
            leadTime: configuration.leadTime,
            // An hour of the default horizons: what is asked back within it is not worth a handshake.
            releaseHorizon: horizons[min(2, horizons.count - 1)], releaseHold: configuration.standardLifetime,
            reservationLifetime: configuration.reservationLifetime, standardLifetime: configuration.standardLifetime)
    }

    func input(for record: ApplicationRecord) -> AllocationInput {
        let size = blockSize(of: record.id)
        var demands: [HostID: HostDemand] = [:]
        for host in state.hosts.keys {
            let recent = state.recentLaunches[record.id]?[host]?.value(at: state.time(of: state.slot)) ?? 0
            demands[host] = HostDemand(
                host: host, recentLaunches: recent, acceptsLeases: mayLease(host))
        }
        let outlook = outlook(for: record)
        var blocks: [OwnedBlock] = []
        for lease in state.book.leases(of: record.id) where lease.state == .leased || lease.state == .staged {
            let use = state.bindings.use(of: lease.block)
            demands[lease.host]?.inUse += use.inUse
            demands[lease.host]?.cooling += use.cooling
            blocks.append(
                OwnedBlock(
                    block: lease.block, host: lease.host, inUse: use.inUse, cooling: use.cooling,
                    idleSince: live.idleSince[lease.block.key]))
        }
        if let outlook {
            // What lies where nothing is expected is looked at as well.
            let carriers = Set(blocks.compactMap(\.host))
            demands = demands.filter { outlook.seats[$0.key] != nil || carriers.contains($0.key) }
        }
        for idle in state.book.idleBlocks(of: record.id) {
            if outlook != nil { blocks.append(OwnedBlock(block: idle)) }
            guard outlook == nil, idle.size >= size else { continue }
            blocks += idle.range.blocks(of: size).map { OwnedBlock(block: $0) }
        }
        return AllocationInput(
            application: record.id, policy: policy(of: record),
            hosts: demands.values.sorted { $0.host < $1.host }, blocks: blocks,
            pendingElsewhere: live.refusedLaunches[record.id] ?? 0,
            forecast: state.series[record.id] ?? told(of: record.id, at: now), outlook: outlook,
            returning: live.recalled.identifiers(of: record.id))
    }

    /// What is left of reservations that a caller asked for: theirs until they expire.
    private func promisedBlocks(of application: ApplicationID) -> [SNIBlock] {
        state.book.reservations(of: application).filter(\.requested).flatMap { state.book.pieces(of: $0.id) }
    }

    private func policy(of record: ApplicationRecord) -> AllocationPolicy {
        AllocationPolicy(
            priority: record.policy.priority, mode: record.policy.mode, floor: record.policy.floor,
            cap: record.policy.cap == 0 ? nil : record.policy.cap,
            lowWatermark: record.policy.lowWatermark,
            highWatermark: record.policy.highWatermark, threshold: record.policy.threshold)
    }

    /// Whole powers of two, largest first: what is not asked for is not reserved.
    mutating func reserve(_ decision: AllocationDecision) {
        guard let order = decision.reserve else { return }
        let blockOrder = order.blockOrder
        var left = order.identifiers
        for _ in 0..<Self.changesPerDecisionMax where left >= 1 << blockOrder {
            let part = 1 << (Int.bitWidth - 1 - left.leadingZeroBitCount)
            let id = ReservationID(.random(using: &randomness))
            do throws(BookError) {
                try book { (book) throws(BookError) in
                    try book.reserve(
                        id: id, application: decision.application, count: part, blockOrder: blockOrder,
                        predicted: order.kind == .predicted, lifetime: order.lifetime, reason: decision.reason)
                }
            } catch {
                // What it gives back now is found at the next decision, what is marked later.
                let freed = preempt(for: decision.application, count: left)
                notice(.warning, "short", "application \(decision.application) gets no more: \(error)")
                note(decision.application, .refused, Self.refusal(of: left, error, freed: freed))
                return
            }
            let block = state.book.reservation(id)?.block
            if let block {
                note(decision.application, .given, "reserved \(block.range) (\(order.kind.rawValue))")
            }
            left -= block?.size ?? left
        }
    }

    mutating func lease(_ decision: AllocationDecision) {
        var left = Self.changesPerDecisionMax
        for wish in decision.leases where mayLease(wish.host) && left > 0 {
            var missing = 1 << wish.order
            // What was reserved in pieces is leased in pieces.
            for order in (BlockPolicy.orders.lowerBound...wish.order).reversed() {
                while missing >= 1 << order, left > 0, leaseAhead(decision.application, to: wish.host, order: order) {
                    missing -= 1 << order
                    left -= 1
                }
            }
            guard missing < 1 << wish.order || left == 0 else {
                return note(
                    decision.application, .refused, "no reserved block is left to lease to \(wish.host)")
            }
        }
    }

    private mutating func leaseAhead(_ application: ApplicationID, to host: HostID, order: Int) -> Bool {
        let events = try? state.book.lease(
            application: application, host: host, order: order, predicted: true, fromReserved: true)
        guard let events else { return false }
        commit(events)
        if case .leased(let lease)? = events.last {
            live.idleSince[lease.block.key] = now
            note(application, .given, "leased \(lease.block.range) to \(host)")
        }
        return true
    }

    /// Only what would run out soon, so that a quiet fleet writes nothing.
    private mutating func extend(_ decision: AllocationDecision) {
        let leaving = decision.releases.map(\.block.range)
        let soon = max(decision.extendTo / 2, min(decision.extendTo, configuration.decisionInterval * 3))
        for reservation in state.book.reservations(of: decision.application) {
            guard let due = live.timers.deadline(.reservation(reservation.id)), due - now < soon else { continue }
            let pieces = state.book.pieces(of: reservation.id)
            // A claim all of whose identifiers are planned to go may run out.
            let isLeaving = pieces.allSatisfy { piece in
                leaving.filter { $0.overlaps(piece.range) }.reduce(0) { $0 + $1.count } >= piece.size
            }
            guard !isLeaving else { continue }
            commit(.book(.reservationExtended(reservation.id, lifetime: decision.extendTo)))
        }
    }

    private mutating func release(_ decision: AllocationDecision) {
        for planned in decision.releases.prefix(Self.changesPerDecisionMax) where planned.after == .zero {
            if let host = planned.host {
                note(
                    decision.application, .givenBack,
                    "asked \(host) for \(planned.block.range) back: \(planned.reason)")
                mark(planned.block, reason: planned.reason, force: false)
                if planned.isRecall, state.book.lease(of: planned.block)?.state == .marked {
                    live.recalled.insert(planned.block, of: decision.application)
                }
            } else {
                note(decision.application, .givenBack, "freed \(planned.block.range): \(planned.reason)")
                try? book { (book) throws(BookError) in
                    try book.unreserve(planned.block, of: decision.application)
                }
            }
        }
    }
}
