import Dataplane
import FleetProtocol
import NetworkTypes

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
                block: $0.order.block, application: $0.order.application, epoch: $0.drainedAt ?? $0.order.epoch,
                drained: true)
        }
        result.remotes = remotes.values.sorted { $0.block < $1.block }
        result.bindings = bindings.values.sorted { $0.binding.sni < $1.binding.sni }
        result.used = used.map { IdentifierUse(sni: $0.key, sequence: $0.value) }.sorted { $0.sni < $1.sni }
        result.reported = reported
        result.unreported = unreported
        result.holds = holds.map { IdentifierHold(sni: $0.key, hold: $0.value) }.sorted { $0.sni < $1.sni }
        result.dropped = dropped.sorted()
        result.departures = departures.values.sorted { $0.sni < $1.sni }
        result.arrived = arrived.sorted()
        result.resting = resting
        return result
    }

    mutating func restore(_ checkpoint: Checkpoint) {
        let (at, leftOut, unseen) = (sequence, planted, touched)
        self = DurableState()
        sequence = at
        planted = leftOut
        // A checkpoint says what was known before; whoever starts with one looks at everything.
        touched = unseen
        position = checkpoint.position
        grant = checkpoint.grant
        refusal = checkpoint.refusal
        contact = checkpoint.contact
        recovering = checkpoint.recovering
        for scope in checkpoint.scopes { scopes[scope.application] = scope }
        for order in checkpoint.leases { leases[order.block] = Lease(order: order) }
        for order in checkpoint.orphans { leases[order.block] = Lease(order: order, orphaned: true) }
        for record in checkpoint.drained { leases[record.block]?.drainedAt = record.epoch }
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
        for hold in checkpoint.holds { holds[hold.sni] = hold.hold }
        dropped = Set(checkpoint.dropped)
        for departure in checkpoint.departures { departures[departure.sni] = departure }
        arrived = Set(checkpoint.arrived)
        resting = checkpoint.resting
    }

    /// The whole desired state of the kernel apart from ports.
    var dataplaneWithoutPorts: [DataplaneChange] {
        let checkpoint = checkpoint
        return checkpoint.scopes.map { .setScope($0.forDataplane) }
            + (checkpoint.leases + checkpoint.orphans).map {
                .setLocalBlock(LocalBlock(block: $0.block, application: $0.application))
            }
            + checkpoint.remotes.filter { !dropped.contains($0.vtep) && !overlapsOwn($0.block) }.map {
                .setRemoteBlock($0.forDataplane)
            }
            + checkpoint.departures.filter { $0.phase == .flipped }.compactMap { departure in
                lease(of: departure.sni).map {
                    .setForwarding(Forwarding(sni: departure.sni, block: $0.order.block))
                }
            }
    }
}
