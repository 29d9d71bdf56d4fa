import Dataplane
import FleetProtocol
@_spi(Simulation) import NetworkTypes

/// State updates: what the coordinator orders, with every stale epoch refused.
extension DurableState {
    /// The order of a snapshot: what is added comes before what goes, and leases before the remotes that may
    /// replace them.
    ///
    /// - Parameter isRenewed: first update of a newer generation, whose epochs may be lower than those held.
    mutating func apply(_ update: StateUpdate, isRenewed: Bool, into result: inout Consequences) {
        guard update.isSnapshot else {
            for operation in update.operations { apply(operation, into: &result) }
            return
        }
        var goneScopes = Set(scopes.keys)
        var goneLeases = Set(leases.filter { !$0.value.orphaned }.keys)
        var goneRemotes = Set(remotes.keys)
        var gone = (dropped: dropped, departures: Set(departures.keys))
        if isRenewed { forgetEpochs() }
        for operation in update.operations {
            switch operation {
            case .setScope(let scope): goneScopes.remove(scope.application)
            case .setLease(let order): goneLeases.remove(order.block)
            case .setRemote(let remote): goneRemotes.remove(remote.block)
            case .dropEndpoint(let vtep): gone.dropped.remove(vtep)
            case .setDeparture(let departure): gone.departures.remove(departure.sni)
            case .removeScope, .removeLease, .removeRemote, .admitEndpoint, .removeDeparture, .switchEndpoint: break
            }
        }
        for case .dropEndpoint(let vtep) in update.operations { drop(endpoint: vtep, into: &result) }
        for case .setScope(let scope) in update.operations { set(scope, into: &result) }
        for case .setLease(let order) in update.operations { set(order, into: &result) }
        for block in goneLeases.sorted() { remove(lease: block, at: nil, into: &result) }
        for block in goneRemotes.sorted() { remove(remote: block, at: nil, into: &result) }
        for case .setRemote(let remote) in update.operations { set(remote, into: &result) }
        for case .setDeparture(let departure) in update.operations { set(departure, into: &result) }
        for sni in gone.departures.sorted() { remove(departure: sni, at: nil, into: &result) }
        for application in goneScopes.sorted() { removeScope(application, into: &result) }
        for vtep in gone.dropped.sorted() { admit(endpoint: vtep, into: &result) }
        for case .switchEndpoint(let vtep) in update.operations { result.changes.append(.setEndpoint(vtep)) }
    }

    /// What is promised (drained, dropped) stays promised; only the numbers start over.
    private mutating func forgetEpochs() {
        for block in leases.keys { leases[block]?.order.epoch = Epoch(0) }
        for block in remotes.keys { remotes[block]?.epoch = Epoch(0) }
        for sni in departures.keys { departures[sni]?.epoch = Epoch(0) }
    }

    private mutating func apply(_ operation: StateOperation, into result: inout Consequences) {
        switch operation {
        case .setScope(let scope): set(scope, into: &result)
        case .removeScope(let application): removeScope(application, into: &result)
        case .setLease(let order): set(order, into: &result)
        case .removeLease(let block, let epoch): remove(lease: block, at: epoch, into: &result)
        case .setRemote(let remote): set(remote, into: &result)
        case .removeRemote(let block, let epoch): remove(remote: block, at: epoch, into: &result)
        case .dropEndpoint(let vtep): drop(endpoint: vtep, into: &result)
        case .admitEndpoint(let vtep): admit(endpoint: vtep, into: &result)
        case .setDeparture(let departure): set(departure, into: &result)
        case .removeDeparture(let sni, let epoch): remove(departure: sni, at: epoch, into: &result)
        // Nothing to remember: the kernel knows what it sends from, and says so at the next start.
        case .switchEndpoint(let vtep): result.changes.append(.setEndpoint(vtep))
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
        // A drain is a promise about its epoch and those below; only a higher one lifts it.
        let promise = held?.drainedAt.flatMap { $0 >= order.epoch ? $0 : nil }
        leases[order.block] = Lease(order: order, drainedAt: promise)
        touched.blocks.append(order.block)
        blocksByApplication[order.application, default: []].insert(order.block)
        if held == nil || held?.order.application != order.application {
            result.changes.append(.setLocalBlock(LocalBlock(block: order.block, application: order.application)))
            result.added.append(order.block)
        }
        // The coordinator knows that the VM runs here.
        if order.incoming == nil { arrived.remove(order.block.first) }
        if order.marked { result.marked.append(order.block) }
    }

    private mutating func remove(lease block: SNIBlock, at epoch: Epoch?, into result: inout Consequences) {
        guard let held = leases[block] else { return }
        guard !planted.contains(.ignoreEpochOnBind) else {
            leases[block]?.drainedAt = nil
            touched.blocks.append(block)
            return
        }
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
        touched.blocks.append(block)
        orphans += 1
    }

    mutating func drop(_ block: SNIBlock, into result: inout Consequences) {
        guard let held = leases.removeValue(forKey: block) else { return }
        if held.orphaned { orphans -= 1 }
        blocksByApplication[held.order.application]?.remove(block)
        if blocksByApplication[held.order.application]?.isEmpty == true {
            blocksByApplication[held.order.application] = nil
        }
        touched.blocks.append(block)
        for sni in block.identifiers {
            used[sni] = nil
            touched.identifiers.append(sni)
            if block.size > 1 { remove(departure: sni, at: nil, into: &result) } else { arrived.remove(sni) }
        }
        result.changes.append(.removeLocalBlock(block))
        for remote in remotes(behind: block) where !overlapsOwn(remote.block) {
            if let route = route(remote) { result.changes.append(.setRemoteBlock(route)) }
        }
    }

    private mutating func set(_ remote: RemoteBlock, into result: inout Consequences) {
        if let held = remotes[remote.block], remote.epoch < held.epoch {
            result.notices.append(.staleEpoch(remote.block, received: remote.epoch, held: held.epoch))
            return
        }
        let before = remotes[remote.block].flatMap(route)
        remotes[remote.block] = remote
        guard !overlapsOwn(remote.block) else {
            result.notices.append(.remoteOverlapsLease(remote.block))
            return
        }
        let after = route(remote)
        guard before != after else { return }
        result.changes.append(after.map { .setRemoteBlock($0) } ?? .removeRemoteBlock(remote.block))
    }

    /// Remote blocks that an own lease kept out of the kernel.
    private func remotes(behind block: SNIBlock) -> [RemoteBlock] {
        var found = [block]
        if block.size > 1 {
            for size in [4, 8, 16, 32, 64, 128, 256] where size != block.size {
                let low = block.first.rawValue & ~UInt32(size - 1)
                for first in stride(from: low, to: block.range.end, by: size) {
                    if let other = SNIBlock(first: SessionNetworkID(unchecked: first), size: size) {
                        found.append(other)
                    }
                }
            }
        }
        return found.sorted().compactMap { remotes[$0] }
    }

    /// A single identifier may be elsewhere than the block around it, on either side.
    func overlapsOwn(_ block: SNIBlock) -> Bool {
        guard leases[block] == nil, block.size > 1, let around = lease(of: block.first) else {
            return leases[block] != nil
        }
        return around.order.block.size > 1
    }

    /// What the kernel carries of a remote block: nothing while its endpoint is dropped.
    private func route(_ remote: RemoteBlock) -> RemoteRoute? {
        dropped.contains(remote.vtep) ? nil : remote.forDataplane
    }

    private mutating func drop(endpoint vtep: IPAddress, into result: inout Consequences) {
        guard dropped.insert(vtep).inserted else { return }
        for block in remotes.values.filter({ $0.vtep == vtep }).map(\.block).sorted() {
            result.changes.append(.removeRemoteBlock(block))
        }
    }

    private mutating func admit(endpoint vtep: IPAddress, into result: inout Consequences) {
        guard dropped.remove(vtep) != nil else { return }
        for remote in remotes.values.filter({ $0.vtep == vtep }).sorted(by: { $0.block < $1.block })
        where !overlapsOwn(remote.block) {
            result.changes.append(.setRemoteBlock(remote.forDataplane))
        }
    }

    private mutating func set(_ departure: Departure, into result: inout Consequences) {
        let held = departures[departure.sni]
        if let held, departure.epoch < held.epoch { return }
        guard let lease = lease(of: departure.sni), lease.order.block.size > 1 else { return }
        departures[departure.sni] = departure
        touched.identifiers.append(departure.sni)
        if departure.phase == .flipped, held?.phase != .flipped {
            result.changes.append(
                .setForwarding(Forwarding(sni: departure.sni, block: lease.order.block)))
        } else if departure.phase != .flipped, held?.phase == .flipped {
            result.changes.append(.removeForwarding(departure.sni))
        }
        if departure.phase != .preparing, holder(of: departure) != nil { result.flipped.append(departure.sni) }
    }

    /// The interface that left, while its binding is here still.
    func holder(of departure: Departure) -> VMInterface? {
        guard let bound = bindings[departure.sni], bound.binding.state != .cooling,
            bound.binding.interface == departure.interface
        else { return nil }
        return departure.interface
    }

    private mutating func remove(departure sni: SessionNetworkID, at epoch: Epoch?, into result: inout Consequences) {
        guard let held = departures[sni], epoch.map({ $0 >= held.epoch }) ?? true else { return }
        departures[sni] = nil
        touched.identifiers.append(sni)
        if held.phase == .flipped { result.changes.append(.removeForwarding(sni)) }
    }

    private mutating func remove(remote block: SNIBlock, at epoch: Epoch?, into result: inout Consequences) {
        guard let held = remotes[block] else { return }
        if let epoch, epoch < held.epoch {
            result.notices.append(.staleEpoch(block, received: epoch, held: held.epoch))
            return
        }
        remotes[block] = nil
        // Also what an own lease has kept out meanwhile: an earlier route of the block may be there.
        result.changes.append(.removeRemoteBlock(block))
    }
}

extension ScopeState {
    var forDataplane: Scope { Scope(application: application, ranges: ranges, allowed: allowed) }
}

extension RemoteBlock {
    var forDataplane: RemoteRoute {
        RemoteRoute(block: block, application: application, vtep: vtep, former: former, standby: standby)
    }
}
