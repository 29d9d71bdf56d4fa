import Dataplane
import FleetProtocol
import NetworkTypes

/// What the journal says: every record applied in order, live and at recovery by the same code.
struct DurableState: Sendable {
    /// A lease and what the host has promised about it.
    struct Lease: Hashable, Sendable {
        var order: LeaseOrder
        /// Past the point of no return at `order.epoch`.
        var drained = false
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
    }

    private(set) var sequence: UInt64 = 0
    private(set) var position = Position.zero
    private(set) var grant: BootGrant?
    private(set) var refusal: Refusal?
    private(set) var contact: Contact?
    private(set) var recovering = false
    private(set) var scopes: [ApplicationID: ScopeState] = [:]
    private(set) var leases: [SNIBlock: Lease] = [:]
    private(set) var blocksByApplication: [ApplicationID: Set<SNIBlock>] = [:]
    private(set) var remotes: [SNIBlock: RemoteBlock] = [:]
    private(set) var bindings: [SessionNetworkID: BoundInterface] = [:]
    private(set) var byInterface: [VMInterface: SessionNetworkID] = [:]
    /// Journal sequence of the last use of every used identifier of a lease.
    private(set) var used: [SessionNetworkID: UInt64] = [:]
    private(set) var reported: UInt64 = 0
    private(set) var unreported: [BindingEvent] = []
    private(set) var orphans = 0

    /// Events kept for a coordinator that is away before each identifier's history shrinks to its last event.
    static let unreportedMax = 16_384

    mutating func apply(_ record: JournalRecord, sequence next: UInt64) -> Consequences {
        sequence = next
        var result = Consequences()
        switch record {
        case .grant(let at, let given, let heard):
            position = max(position, at)
            grant = given
            refusal = nil
            contact = Contact(boot: given.identity.boot, at: heard)
        case .refused(let code, let reason): refusal = Refusal(code: code, reason: reason)
        case .contact(let boot, let at): contact = Contact(boot: boot, at: at)
        case .update(let at, let update):
            position = max(position, at)
            apply(update, into: &result)
        case .bound(let bound): bind(bound)
        case .unbound(let sni): unbind(sni)
        case .ended(let sni): end(sni, into: &result)
        case .plugged(let sni): bindings[sni]?.plugged = true
        case .drained(let block, let epoch):
            if leases[block]?.order.epoch == epoch { leases[block]?.drained = true }
        case .reported(let upTo):
            reported = max(reported, upTo)
            unreported.removeAll { $0.sequence <= reported }
        case .recovering(let flag): recovering = flag
        case .checkpoint(let checkpoint): restore(checkpoint)
        }
        return result
    }

    /// The lease that an identifier belongs to: the smallest block that contains it.
    func lease(of sni: SessionNetworkID) -> Lease? {
        var size = 1
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
        note(bound.binding)
    }

    private mutating func unbind(_ sni: SessionNetworkID) {
        guard var bound = bindings[sni] else { return }
        bound.binding.state = .cooling
        bindings[sni] = bound
        if byInterface[bound.binding.interface] == sni { byInterface[bound.binding.interface] = nil }
        note(bound.binding)
    }

    private mutating func end(_ sni: SessionNetworkID, into result: inout Consequences) {
        guard var bound = bindings.removeValue(forKey: sni) else { return }
        bound.binding.state = .ended
        used[sni] = sequence
        note(bound.binding)
        guard let lease = lease(of: sni), lease.orphaned, occupants(of: lease.order.block).isEmpty else { return }
        drop(lease.order.block, into: &result)
    }

    private mutating func note(_ binding: BindingRecord) {
        unreported.append(BindingEvent(sequence: sequence, binding: binding))
        guard unreported.count > Self.unreportedMax else { return }
        var seen: Set<SessionNetworkID> = []
        unreported = unreported.reversed().filter { seen.insert($0.binding.sni).inserted }.reversed()
    }
}

extension DurableState {
    /// The order of a snapshot: what is added comes before what goes, and leases before the remotes that may replace them.
    private mutating func apply(_ update: StateUpdate, into result: inout Consequences) {
        guard update.isSnapshot else {
            for operation in update.operations { apply(operation, into: &result) }
            return
        }
        var goneScopes = Set(scopes.keys)
        var goneLeases = Set(leases.filter { !$0.value.orphaned }.keys)
        var goneRemotes = Set(remotes.keys)
        for operation in update.operations {
            switch operation {
            case .setScope(let scope): goneScopes.remove(scope.application)
            case .setLease(let order): goneLeases.remove(order.block)
            case .setRemote(let remote): goneRemotes.remove(remote.block)
            case .removeScope, .removeLease, .removeRemote: break
            }
        }
        for case .setScope(let scope) in update.operations { set(scope, into: &result) }
        for case .setLease(let order) in update.operations { set(order, into: &result) }
        for block in goneLeases.sorted() { remove(lease: block, at: nil, into: &result) }
        for block in goneRemotes.sorted() { remove(remote: block, at: nil, into: &result) }
        for case .setRemote(let remote) in update.operations { set(remote, into: &result) }
        for application in goneScopes.sorted() { removeScope(application, into: &result) }
    }

    private mutating func apply(_ operation: StateOperation, into result: inout Consequences) {
        switch operation {
        case .setScope(let scope): set(scope, into: &result)
        case .removeScope(let application): removeScope(application, into: &result)
        case .setLease(let order): set(order, into: &result)
        case .removeLease(let block, let epoch): remove(lease: block, at: epoch, into: &result)
        case .setRemote(let remote): set(remote, into: &result)
        case .removeRemote(let block, let epoch): remove(remote: block, at: epoch, into: &result)
        }
    }

    private mutating func set(_ scope: ScopeState, into result: inout Consequences) {
        guard scopes[scope.application] != scope else { return }
        scopes[scope.application] = scope
        result.changes.append(.setScope(scope.forDataplane))
    }

    private mutating func removeScope(_ application: ApplicationID, into result: inout Consequences) {
        guard scopes.removeValue(forKey: application) != nil else { return }
        result.changes.append(.removeScope(application))
    }

    private mutating func set(_ order: LeaseOrder, into result: inout Consequences) {
        let held = leases[order.block]
        if let held, order.epoch < held.order.epoch {
            result.notices.append(.staleEpoch(order.block, received: order.epoch, held: held.order.epoch))
            return
        }
        if let held, held.order.application != order.application {
            let users = users(of: order.block)
            guard occupants(of: order.block).isEmpty else {
                result.notices.append(.leaseRemovedInUse(order.block, users: users))
                orphan(order.block)
                return
            }
            blocksByApplication[held.order.application]?.remove(order.block)
        }
        if held?.orphaned == true { orphans -= 1 }
        // A drain is a promise about one epoch; only a higher one lifts it.
        let drained = held.map { $0.drained && $0.order.epoch == order.epoch } ?? false
        leases[order.block] = Lease(order: order, drained: drained)
        blocksByApplication[order.application, default: []].insert(order.block)
        if held == nil || held?.order.application != order.application {
            result.changes.append(.setLocalBlock(LocalBlock(block: order.block, application: order.application)))
            result.added.append(order.block)
        }
        if order.marked { result.marked.append(order.block) }
    }

    private mutating func remove(lease block: SNIBlock, at epoch: Epoch?, into result: inout Consequences) {
        guard let held = leases[block] else { return }
        if let epoch, epoch < held.order.epoch {
            result.notices.append(.staleEpoch(block, received: epoch, held: held.order.epoch))
            return
        }
        guard occupants(of: block).isEmpty else {
            result.notices.append(.leaseRemovedInUse(block, users: users(of: block)))
            orphan(block)
            return
        }
        drop(block, into: &result)
    }

    private mutating func orphan(_ block: SNIBlock) {
        guard leases[block]?.orphaned == false else { return }
        leases[block]?.orphaned = true
        orphans += 1
    }

    private mutating func drop(_ block: SNIBlock, into result: inout Consequences) {
        guard let held = leases.removeValue(forKey: block) else { return }
        if held.orphaned { orphans -= 1 }
        blocksByApplication[held.order.application]?.remove(block)
        if blocksByApplication[held.order.application]?.isEmpty == true {
            blocksByApplication[held.order.application] = nil
        }
        for sni in block.identifiers { used[sni] = nil }
        result.changes.append(.removeLocalBlock(block))
    }

    private mutating func set(_ remote: RemoteBlock, into result: inout Consequences) {
        if let held = remotes[remote.block], remote.epoch < held.epoch {
            result.notices.append(.staleEpoch(remote.block, received: remote.epoch, held: held.epoch))
            return
        }
        guard lease(of: remote.block.first) == nil, leases[remote.block] == nil else {
            result.notices.append(.remoteOverlapsLease(remote.block))
            return
        }
        let route = remote.forDataplane
        if remotes[remote.block]?.forDataplane != route { result.changes.append(.setRemoteBlock(route)) }
        remotes[remote.block] = remote
    }

    private mutating func remove(remote block: SNIBlock, at epoch: Epoch?, into result: inout Consequences) {
        guard let held = remotes[block] else { return }
        if let epoch, epoch < held.epoch {
            result.notices.append(.staleEpoch(block, received: epoch, held: held.epoch))
            return
        }
        remotes[block] = nil
        result.changes.append(.removeRemoteBlock(block))
    }
}

extension DurableState {
    /// Everything in one record, in a fixed order, so that equal states give equal bytes.
    var checkpoint: Checkpoint {
        var result = Checkpoint()
        result.position = position
        result.grant = grant
        result.refusal = refusal
        result.contact = contact
        result.recovering = recovering
        result.scopes = scopes.values.sorted { $0.application < $1.application }
        let sorted = leases.values.sorted { $0.order.block < $1.order.block }
        result.leases = sorted.filter { !$0.orphaned }.map(\.order)
        result.orphans = sorted.filter(\.orphaned).map(\.order)
        result.drained = sorted.filter(\.drained).map {
            LeaseRecord(
                block: $0.order.block, application: $0.order.application, epoch: $0.order.epoch, drained: true)
        }
        result.remotes = remotes.values.sorted { $0.block < $1.block }
        result.bindings = bindings.values.sorted { $0.binding.sni < $1.binding.sni }
        result.used = used.map { IdentifierUse(sni: $0.key, sequence: $0.value) }.sorted { $0.sni < $1.sni }
        result.reported = reported
        result.unreported = unreported
        return result
    }

    private mutating func restore(_ checkpoint: Checkpoint) {
        let at = sequence
        self = DurableState()
        sequence = at
        position = checkpoint.position
        grant = checkpoint.grant
        refusal = checkpoint.refusal
        contact = checkpoint.contact
        recovering = checkpoint.recovering
        for scope in checkpoint.scopes { scopes[scope.application] = scope }
        for order in checkpoint.leases { leases[order.block] = Lease(order: order) }
        for order in checkpoint.orphans { leases[order.block] = Lease(order: order, orphaned: true) }
        for record in checkpoint.drained where leases[record.block]?.order.epoch == record.epoch {
            leases[record.block]?.drained = true
        }
        for lease in leases.values {
            blocksByApplication[lease.order.application, default: []].insert(lease.order.block)
        }
        for remote in checkpoint.remotes { remotes[remote.block] = remote }
        for bound in checkpoint.bindings {
            bindings[bound.binding.sni] = bound
            if bound.binding.state == .bound || bound.binding.state == .held {
                byInterface[bound.binding.interface] = bound.binding.sni
            }
        }
        for use in checkpoint.used { used[use.sni] = use.sequence }
        reported = checkpoint.reported
        unreported = checkpoint.unreported
        orphans = checkpoint.orphans.count
    }

    /// The whole desired state of the kernel apart from ports.
    var dataplaneWithoutPorts: [DataplaneChange] {
        let checkpoint = checkpoint
        return checkpoint.scopes.map { .setScope($0.forDataplane) }
            + (checkpoint.leases + checkpoint.orphans).map {
                .setLocalBlock(LocalBlock(block: $0.block, application: $0.application))
            } + checkpoint.remotes.map { .setRemoteBlock($0.forDataplane) }
    }
}

extension ScopeState {
    fileprivate var forDataplane: Scope { Scope(application: application, ranges: ranges, allowed: allowed) }
}

extension RemoteBlock {
    fileprivate var forDataplane: RemoteRoute { RemoteRoute(block: block, application: application, vtep: vtep) }
}
