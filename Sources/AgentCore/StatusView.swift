import FleetProtocol
import NetworkTypes
import Telemetry

extension AgentMachine {
    func status(at now: Instant) -> AgentStatus {
        let leases = durable.leases.values.sorted { $0.order.block < $1.order.block }.map { lease in
            let states = durable.occupants(of: lease.order.block).map(\.binding.state)
            return LeaseStatus(
                lease: lease.order, drained: lease.drained, bound: states.count { $0 == .bound || $0 == .held },
                cooling: states.count { $0 == .cooling },
                available: lease.isBindable ? lease.order.block.identifiers.count { isAvailable($0) } : 0)
        }
        let bindings = durable.bindings.values.sorted { $0.binding.sni < $1.binding.sni }.map {
            BindingStatus(
                binding: $0.binding, mac: $0.mac, port: ports[$0.binding.sni] == nil ? nil : "sni\($0.binding.sni.hex)")
        }
        return AgentStatus(
            identity: identity, connected: connected, recovering: durable.recovering,
            grant: durable.grant.flatMap { isOurs($0) ? $0 : nil },
            bindingStoppedBecause: bindingStop(at: now).map { "\($0)" }, position: durable.position,
            acknowledged: acknowledged, journalSequence: durableSequence, silentFor: lastContact.map { now - $0 },
            leases: leases, bindings: bindings, remoteBlocks: durable.remotes.count,
            scopes: durable.scopes.values.sorted { $0.application < $1.application },
            waitingLaunches: waiting.values.reduce(0) { $0 + $1.count }, counts: counts,
            host: latestHostReport.map(withPaths),
            backlog: BacklogStatus(
                batches: backlog.batches.count, intervals: backlog.intervals, folded: backlog.folded, lost: backlog.lost
            ))
    }
}
