import Allocation
import FleetProtocol
import NetworkTypes
import SNISpace

@testable import CoordinatorCore

/// A second Network Manager, as dull as can be: who owns an identifier, by what claim, and who leases it, each in an array.
/// No buddies, no chunks, no shuffle, no events; whatever is free and aligned, lowest first.
struct PlainManager {
    struct Claim {
        var application: ApplicationID
        var end: Instant
    }
    struct Lease {
        var application: ApplicationID
        var host: HostID
        var block: SNIBlock
        /// Of leases, by when they were made.
        var order: Int
        var isMarked = false
        /// Set when the host gave it up: free when it has rested.
        var freeAt: Instant?
    }
    struct Account {
        var cap = 0
        var floor = 0
        var rank = ClassRank.lowest
        var owned = 0
    }

    let base: UInt32
    private(set) var owners: [ApplicationID?]
    private(set) var claimOf: [ReservationID?]
    private(set) var leaseOf: [SNIBlock?]
    private(set) var claimed: [ReservationID: Claim] = [:]
    private(set) var leases: [SNIBlock: Lease] = [:]
    var accounts: [ApplicationID: Account] = [:]
    var now = Instant(nanoseconds: 0)
    var quarantine = Duration.seconds(10)
    var isInUse: (SNIBlock) -> Bool = { _ in false }
    private(set) var outcomes: [ApplicationID: [DecisionOutcome.Kind]] = [:]
    private(set) var shortages = 0
    private var lastClaim: UInt64 = 0
    private var lastLease = 0

    init(pool: SNIRange) {
        base = pool.first.rawValue
        owners = Array(repeating: nil, count: pool.count)
        claimOf = Array(repeating: nil, count: pool.count)
        leaseOf = Array(repeating: nil, count: pool.count)
    }

    func places(_ block: SNIBlock) -> Range<Int> {
        let first = Int(block.first.rawValue - base)
        return first..<first + block.size
    }

    var free: Int { owners.count { $0 == nil } }

    /// Aligned blocks of a size all of whose identifiers are so.
    private func blocks(of size: Int, where isSo: (Int) -> Bool) -> [SNIBlock] {
        let first = (Int(base) + size - 1) / size * size - Int(base)
        return stride(from: first, through: owners.count - size, by: size).compactMap { place in
            guard (place..<place + size).allSatisfy(isSo) else { return nil }
            return SNIBlock(first: SessionNetworkID(unchecked: base + UInt32(place)), size: size)
        }
    }

    func idle(of application: ApplicationID, size: Int) -> [SNIBlock] {
        blocks(of: size) { owners[$0] == application && leaseOf[$0] == nil }
    }

    private mutating func disown(_ place: Int) {
        if let owner = owners[place] { accounts[owner]?.owned -= 1 }
        owners[place] = nil
        claimOf[place] = nil
    }

    // MARK: What time brings

    mutating func pass(to instant: Instant) {
        now = instant
        for (id, claim) in claimed.filter({ $0.value.end <= now }) { end(id, of: claim.application) }
        for (block, _) in leases.filter({ $0.value.freeAt.map { $0 <= instant } ?? false }) {
            leases[block] = nil
            for place in places(block) {
                leaseOf[place] = nil
                disown(place)
            }
        }
    }

    private mutating func end(_ id: ReservationID, of application: ApplicationID) {
        claimed[id] = nil
        for place in claimOf.indices where claimOf[place] == id {
            claimOf[place] = nil
            if let block = leaseOf[place] {
                if !isInUse(block) { leases[block]?.isMarked = true }
            } else {
                disown(place)
            }
        }
    }

    /// The hosts answer what they were asked: what is in use stays.
    mutating func answerMarks() {
        for (block, lease) in leases where lease.isMarked && lease.freeAt == nil {
            if isInUse(block) { leases[block]?.isMarked = false } else { leases[block]?.freeAt = now + quarantine }
        }
    }
}

extension PlainManager: NetworkManaging {
    func ownedBlocks(of application: ApplicationID, size: Int?) -> [OwnedBlock] {
        leases.values.filter { $0.application == application && !$0.isMarked }
            .map { OwnedBlock(block: $0.block, host: $0.host) }
            + idle(of: application, size: size ?? 4).map { OwnedBlock(block: $0) }
    }

    func claims(of application: ApplicationID) -> [RangeClaim] {
        claimed.filter { $0.value.application == application }
            .map { RangeClaim(id: $0.key, requested: false, left: $0.value.end - now) }
    }

    func pieces(of claim: ReservationID) -> [SNIBlock] { blocks(of: 4) { claimOf[$0] == claim } }

    func mayLease(_ host: HostID) -> Bool { true }

    mutating func reserve(_ wish: RangeWish) throws(BookError) -> SNIBlock {
        let account = accounts[wish.application] ?? Account()
        let owed = accounts.reduce(0) { $1.key == wish.application ? $0 : $0 + max(0, $1.value.floor - $1.value.owned) }
        var room = free - owed
        if account.cap > 0 { room = min(room, account.cap - account.owned) }
        var size = 1
        while size < wish.identifiers { size *= 2 }
        while size >= wish.blockSize {
            if size <= room, let block = blocks(of: size, where: { owners[$0] == nil }).first {
                lastClaim += 1
                let id = ReservationID(UUID128(high: 0, low: lastClaim))
                claimed[id] = Claim(application: wish.application, end: now + wish.lifetime)
                for place in places(block) {
                    owners[place] = wish.application
                    claimOf[place] = id
                }
                accounts[wish.application, default: Account()].owned += size
                return block
            }
            size /= 2
        }
        throw .exhausted(wanted: wish.identifiers, free: free)
    }

    mutating func preempt(for application: ApplicationID, count: Int) -> Int {
        guard let rank = accounts[application]?.rank else { return 0 }
        var freed = 0
        for block in blocks(of: 4, where: { owners[$0] != nil && leaseOf[$0] == nil }) where freed < count {
            let place = places(block).lowerBound
            guard let owner = owners[place], let account = accounts[owner], account.rank < rank,
                account.owned - account.floor >= 4
            else { continue }
            for place in places(block) { disown(place) }
            freed += 4
        }
        return freed
    }

    mutating func lease(_ size: Int, of application: ApplicationID, to host: HostID) -> SNIBlock? {
        guard let block = idle(of: application, size: size).first else { return nil }
        lastLease += 1
        leases[block] = Lease(application: application, host: host, block: block, order: lastLease)
        for place in places(block) { leaseOf[place] = block }
        return block
    }

    mutating func extend(_ claim: ReservationID, lifetime: Duration) { claimed[claim]?.end = now + lifetime }

    mutating func unreserve(_ block: SNIBlock, of application: ApplicationID) {
        guard places(block).allSatisfy({ owners[$0] == application && leaseOf[$0] == nil }) else { return }
        for place in places(block) { disown(place) }
    }

    /// Whoever keeps it is not told: it goes back to everybody.
    mutating func askBack(_ block: SNIBlock, of application: ApplicationID, isRecall: Bool, reason: String) {
        leases[block]?.isMarked = true
    }

    mutating func note(_ application: ApplicationID, _ kind: DecisionOutcome.Kind, _ text: String) {
        outcomes[application, default: []].append(kind)
    }

    mutating func noteShortage(of application: ApplicationID, _ count: Int, _ error: BookError, freed: Int) {
        shortages += 1
        note(application, .refused, "\(error)")
    }
}
