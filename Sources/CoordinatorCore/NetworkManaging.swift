import Allocation
import NetworkTypes
import SNISpace

/// Identifiers that an application is to have beyond those that it has.
struct RangeWish: Hashable, Sendable {
    var application: ApplicationID
    var identifiers: Int
    /// The smallest block that is of use.
    var blockSize: Int
    var predicted: Bool
    var lifetime: Duration
    var reason: String
}

/// A claim on identifiers that ends, unless it is extended.
struct RangeClaim: Hashable, Sendable {
    var id: ReservationID
    /// Somebody asked for it: it is theirs until it ends.
    var requested: Bool
    /// Until it ends.
    var left: Duration
}

/// Network Manager, as the Predictive Allocator sees it: all that a decision knows of identifiers, and all that it may do
/// with them. How they are found, cut and shuffled is not the allocator's business, and neither is how a leased block comes
/// back: it only asks.
///
/// ``CoordinatorMachine`` is one, over its book; the tests have another that shares nothing with it.
protocol NetworkManaging {
    /// What an application holds: blocks leased to hosts, but for those on their way back, and what is only reserved, in
    /// blocks of `size`, as far as it makes whole ones; in the blocks that there are without one. Who uses them is not known
    /// here.
    func ownedBlocks(of application: ApplicationID, size: Int?) -> [OwnedBlock]

    func claims(of application: ApplicationID) -> [RangeClaim]

    /// What is left of a claim.
    func pieces(of claim: ReservationID) -> [SNIBlock]

    /// A host that is unreachable, frozen or without a boot grant is leased nothing.
    func mayLease(_ host: HostID) -> Bool

    /// One aligned range of at most what is wished for, rounded up to a power of two.
    ///
    /// - Throws: `exhausted`, `awaited`, `quota`: nothing that is of use may be had.
    mutating func reserve(_ wish: RangeWish) throws(BookError) -> SNIBlock

    /// Asks lower classes for identifiers. What was only reserved is free at once, the rest comes later or not.
    ///
    /// - Returns: identifiers that are free now.
    mutating func preempt(for application: ApplicationID, count: Int) -> Int

    /// Leases a block of what the application has reserved; nil when nothing of that size is left.
    mutating func lease(_ size: Int, of application: ApplicationID, to host: HostID) -> SNIBlock?

    mutating func extend(_ claim: ReservationID, lifetime: Duration)

    /// Gives back what is reserved and not leased.
    mutating func unreserve(_ block: SNIBlock, of application: ApplicationID)

    /// Asks a host for a block. It may be in use by then, and stay.
    ///
    /// - Parameter isRecall: its application keeps it, reserved, for another host.
    mutating func askBack(_ block: SNIBlock, of application: ApplicationID, isRecall: Bool, reason: String)

    /// For who asks why.
    mutating func note(_ application: ApplicationID, _ kind: DecisionOutcome.Kind, _ text: String)

    /// Less was to be had than a decision wants.
    mutating func noteShortage(of application: ApplicationID, _ count: Int, _ error: BookError, freed: Int)
}

/// A decision is carried out.
extension NetworkManaging {
    /// - Parameter interval: until the next decision.
    mutating func carryOut(_ decision: AllocationDecision, interval: Duration) {
        reserve(decision)
        lease(decision)
        extend(decision, interval)
        release(decision)
    }

    /// Whole powers of two, largest first: what is not asked for is not reserved.
    mutating func reserve(_ decision: AllocationDecision) {
        guard let order = decision.reserve else { return }
        let blockSize = 1 << order.blockOrder
        var left = order.identifiers
        for _ in 0..<CoordinatorMachine.changesPerDecisionMax where left >= blockSize {
            let part = 1 << (Int.bitWidth - 1 - left.leadingZeroBitCount)
            let wish = RangeWish(
                application: decision.application, identifiers: part, blockSize: blockSize,
                predicted: order.kind == .predicted, lifetime: order.lifetime, reason: decision.reason)
            do throws(BookError) {
                let block = try reserve(wish)
                note(decision.application, .given, "reserved \(block.range) (\(order.kind.rawValue))")
                left -= block.size
            } catch {
                // What it gives back now is found at the next decision, what is marked later.
                let freed = preempt(for: decision.application, count: left)
                return noteShortage(of: decision.application, left, error, freed: freed)
            }
        }
    }

    mutating func lease(_ decision: AllocationDecision) {
        var left = CoordinatorMachine.changesPerDecisionMax
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
        guard let block = lease(1 << order, of: application, to: host) else { return false }
        note(application, .given, "leased \(block.range) to \(host)")
        return true
    }

    /// Only what would run out soon, so that a quiet fleet writes nothing.
    private mutating func extend(_ decision: AllocationDecision, _ interval: Duration) {
        let leaving = decision.releases.map(\.block.range)
        let soon = max(decision.extendTo / 2, min(decision.extendTo, interval * 3))
        for claim in claims(of: decision.application) where claim.left < soon {
            // A claim all of whose identifiers are planned to go may run out.
            let isLeaving = pieces(of: claim.id).allSatisfy { piece in
                leaving.filter { $0.overlaps(piece.range) }.reduce(0) { $0 + $1.count } >= piece.size
            }
            if !isLeaving { extend(claim.id, lifetime: decision.extendTo) }
        }
    }

    private mutating func release(_ decision: AllocationDecision) {
        let due = decision.releases.prefix(CoordinatorMachine.changesPerDecisionMax).filter { $0.after == .zero }
        for planned in due {
            if let host = planned.host {
                note(
                    decision.application, .givenBack,
                    "asked \(host) for \(planned.block.range) back: \(planned.reason)")
                askBack(
                    planned.block, of: decision.application, isRecall: planned.isRecall, reason: planned.reason)
            } else {
                note(decision.application, .givenBack, "freed \(planned.block.range): \(planned.reason)")
                unreserve(planned.block, of: decision.application)
            }
        }
    }
}

/// Over the book: every change is an event.
extension CoordinatorMachine: NetworkManaging {
    func ownedBlocks(of application: ApplicationID, size: Int?) -> [OwnedBlock] {
        var blocks: [OwnedBlock] = []
        for lease in state.book.leases(of: application) where lease.state == .leased || lease.state == .staged {
            blocks.append(OwnedBlock(block: lease.block, host: lease.host))
        }
        for idle in state.book.idleBlocks(of: application) where idle.size >= size ?? 1 {
            blocks += size.map { idle.range.blocks(of: $0).map { OwnedBlock(block: $0) } } ?? [OwnedBlock(block: idle)]
        }
        return blocks
    }

    func claims(of application: ApplicationID) -> [RangeClaim] {
        state.book.reservations(of: application).map { reservation in
            let due = live.timers.deadline(.reservation(reservation.id))
            return RangeClaim(
                id: reservation.id, requested: reservation.requested,
                left: due.map { $0 - now } ?? CoordinatorConfiguration.durationMax)
        }
    }

    func pieces(of claim: ReservationID) -> [SNIBlock] { state.book.pieces(of: claim) }

    mutating func reserve(_ wish: RangeWish) throws(BookError) -> SNIBlock {
        let id = ReservationID(.random(using: &randomness))
        try book { (book) throws(BookError) in
            try book.reserve(
                id: id, application: wish.application, count: wish.identifiers,
                blockOrder: wish.blockSize.trailingZeroBitCount, predicted: wish.predicted, lifetime: wish.lifetime,
                reason: wish.reason)
        }
        guard let made = state.book.reservation(id) else { throw .unknownReservation(id) }
        return made.block
    }

    mutating func lease(_ size: Int, of application: ApplicationID, to host: HostID) -> SNIBlock? {
        let block = try? lease(
            application, to: host, order: size.trailingZeroBitCount, predicted: true, fromReserved: true)
        if let block { live.idleSince[block.key] = now }
        return block
    }

    mutating func extend(_ claim: ReservationID, lifetime: Duration) {
        commit(.book(.reservationExtended(claim, lifetime: lifetime)))
    }

    mutating func unreserve(_ block: SNIBlock, of application: ApplicationID) {
        try? book { (book) throws(BookError) in try book.unreserve(block, of: application) }
    }

    mutating func askBack(_ block: SNIBlock, of application: ApplicationID, isRecall: Bool, reason: String) {
        mark(block, reason: reason, force: false)
        if isRecall, state.book.lease(of: block)?.state == .marked { live.recalled.insert(block, of: application) }
    }

    mutating func noteShortage(of application: ApplicationID, _ count: Int, _ error: BookError, freed: Int) {
        notice(.warning, "short", "application \(application) gets no more: \(error)")
        note(application, .refused, Self.refusal(of: count, error, freed: freed))
    }
}
