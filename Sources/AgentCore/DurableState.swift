import Dataplane
import FleetProtocol
@_spi(Simulation) import NetworkTypes

/// What the journal says: every record applied in order, live and at recovery by the same code.
struct DurableState: Sendable {
    /// A lease and what the host has promised about it.
    struct Lease: Hashable, Sendable {
        var order: LeaseOrder
        /// Past the point of no return at this epoch and every lower one.
        var drainedAt: Epoch?
        var drained: Bool { drainedAt != nil }
        /// Taken away while in use: kept, not bindable, until its users are gone.
        var orphaned = false
        var isBindable: Bool { !drained && !orphaned && !(order.marked && order.force) }
    }

    /// What one record changed beyond the books.
    struct Consequences: Sendable {
        var changes: [DataplaneChange] = []
        var notices: [AgentNotice] = []
        /// Blocks whose mark wants an answer.
        var marked: [SNIBlock] = []
        /// Leases that were not held before.
        var added: [SNIBlock] = []
        /// Identifiers whose VM runs at another host now: their ports go.
        var flipped: [SessionNetworkID] = []
    }

    /// What may be handed out now that was not, or the other way round.
    struct Touched: Sendable {
        var blocks: [SNIBlock] = []
        var identifiers: [SessionNetworkID] = []
        var everything = false
    }

    /// Since somebody last looked.
    var touched = Touched()
    var sequence: UInt64 = 0
    var position = Position.zero
    var grant: BootGrant?
    var refusal: Refusal?
    var contact: Contact?
    var recovering = false
    /// Identifiers without a record were in use, and may not have rested yet.
    var resting = false
    var scopes: [ApplicationID: ScopeState] = [:]
    var leases: [SNIBlock: Lease] = [:]
    var blocksByApplication: [ApplicationID: Set<SNIBlock>] = [:]
    var remotes: [SNIBlock: RemoteBlock] = [:]
    var bindings: [SessionNetworkID: BoundInterface] = [:]
    var byInterface: [VMInterface: SessionNetworkID] = [:]
    /// Journal sequence of the last use of every used identifier of a lease.
    var used: [SessionNetworkID: UInt64] = [:]
    var reported: UInt64 = 0
    var unreported: [BindingEvent] = []
    var orphans = 0
    var planted: PlantedDefects = []
    /// Identifiers kept for stopped VMs, and for how long.
    var holds: [SessionNetworkID: Duration] = [:]
    /// Endpoints that nothing may be sent to or taken from, whatever remote blocks name them.
    var dropped: Set<IPAddress> = []
    /// Identifiers of own leases that move, or moved, to another host: not handed out.
    var departures: [SessionNetworkID: Departure] = [:]
    /// Identifiers of incoming leases whose guest has spoken here.
    var arrived: Set<SessionNetworkID> = []

    /// Events kept for a coordinator that is away before each identifier's history shrinks to its last event.
    static let unreportedMax = 16_384

    mutating func apply(_ record: JournalRecord, sequence next: UInt64) -> Consequences {
        sequence = next
        var result = Consequences()
        switch record {
        case .grant(let at, let given, let heard):
            take(given, at, heard)
            refusal = nil
        case .stopped(let at, let given, let heard, let code, let reason):
            take(given, at, heard)
            refusal = Refusal(code: code, reason: reason)
        case .refused(let code, let reason): refusal = Refusal(code: code, reason: reason)
        case .contact(let boot, let at): contact = Contact(boot: boot, at: at)
        case .update(let at, let update):
            // Epochs of a book that was restored from a backup start over.
            let isRenewed = at.generation > position.generation
            position = max(position, at)
            apply(update, isRenewed: isRenewed, into: &result)
        case .bound(let bound): bind(bound)
        case .unbound(let sni): unbind(sni)
        case .ended(let sni): end(sni, into: &result)
        case .plugged(let sni): bindings[sni]?.plugged = true
        case .held(let sni, let hold): keep(sni, for: hold)
        case .arrived(let sni): arrived.insert(sni)
        case .drained(let block, let epoch):
            if leases[block]?.order.epoch == epoch { leases[block]?.drainedAt = epoch }
            touched.blocks.append(block)
        case .reported(let upTo):
            reported = max(reported, upTo)
            unreported.removeFirst(unreported.prefix { $0.sequence <= reported }.count)
        case .recovering(let flag):
            // What rested when the journal was lost is not known.
            resting = resting || recovering && !flag
            recovering = flag
        case .resting(let flag): resting = flag
        case .checkpoint(let checkpoint): restore(checkpoint)
        }
        return result
    }

    private mutating func take(_ given: BootGrant, _ at: Position, _ heard: Instant) {
        position = max(position, at)
        if grant?.overlay.capacity != given.overlay.capacity { touched.everything = true }
        grant = given
        contact = Contact(boot: given.identity.boot, at: heard)
    }

    /// The lease that an identifier belongs to: the smallest block that contains it.
    func lease(of sni: SessionNetworkID) -> Lease? { lease(of: sni, ofAtLeast: 1) }

    private func lease(of sni: SessionNetworkID, ofAtLeast least: Int) -> Lease? {
        var size = least
        while size <= SNIBlock.leasableSizes.upperBound {
            let first = SessionNetworkID(unchecked: sni.rawValue & ~UInt32(size - 1))
            if let block = SNIBlock(first: first, size: size), let lease = leases[block] { return lease }
            size *= 2
        }
        return nil
    }

    /// Everything in a block that is bound, held or cooling, ascending.
    func occupants(of block: SNIBlock) -> [BoundInterface] { block.identifiers.compactMap { bindings[$0] } }

    /// Interfaces that hold an identifier of the block now.
    func users(of block: SNIBlock) -> [VMInterface] {
        occupants(of: block).filter { $0.binding.state == .bound || $0.binding.state == .held }.map(\.binding.interface)
    }
}

extension DurableState {
    private mutating func bind(_ bound: BoundInterface) {
        bindings[bound.binding.sni] = bound
        byInterface[bound.binding.interface] = bound.binding.sni
        used[bound.binding.sni] = sequence
        holds[bound.binding.sni] = nil
        touched.identifiers.append(bound.binding.sni)
        note(bound.binding)
    }

    /// Its interface keeps the identifier, and nothing else of it stays.
    private mutating func keep(_ sni: SessionNetworkID, for hold: Duration) {
        guard var bound = bindings[sni] else { return }
        let wasHeld = bound.binding.state == .held
        bound.binding.state = .held
        bindings[sni] = bound
        holds[sni] = hold
        if !wasHeld { note(bound.binding) }
    }

    private mutating func unbind(_ sni: SessionNetworkID) {
        guard var bound = bindings[sni] else { return }
        bound.binding.state = .cooling
        bindings[sni] = bound
        if byInterface[bound.binding.interface] == sni { byInterface[bound.binding.interface] = nil }
        holds[sni] = nil
        arrived.remove(sni)
        note(bound.binding)
    }

    private mutating func end(_ sni: SessionNetworkID, into result: inout Consequences) {
        guard var bound = bindings.removeValue(forKey: sni) else { return }
        bound.binding.state = .ended
        used[sni] = sequence
        touched.identifiers.append(sni)
        note(bound.binding)
        // The block around it, too, where the identifier was left alone.
        for lease in [lease(of: sni), lease(of: sni, ofAtLeast: SNIBlock.leasableSizes.lowerBound)] {
            guard let block = lease?.order.block, leases[block]?.orphaned == true, occupants(of: block).isEmpty else {
                continue
            }
            drop(block, into: &result)
        }
    }

    private mutating func note(_ binding: BindingRecord) {
        unreported.append(BindingEvent(sequence: sequence, binding: binding))
        guard unreported.count > Self.unreportedMax else { return }
        var seen: Set<SessionNetworkID> = []
        unreported = unreported.reversed().filter { seen.insert($0.binding.sni).inserted }.reversed()
    }
}
