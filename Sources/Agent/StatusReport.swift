import AgentCore
import FleetProtocol
import LocalAPI
import NetworkTypes

extension AgentStatusReport {
    /// The machine's view in the socket's terms.
    init(_ status: AgentStatus) {
        self.init(
            host: status.identity.host.name, incarnation: status.identity.incarnation.description,
            boot: status.identity.boot.description, recovering: status.recovering,
            bindingStopped: status.bindingStoppedBecause, journalSequence: status.journalSequence,
            grant: status.grant.map { grant in
                Grant(
                    boot: grant.identity.boot.description, overlayIPv4: grant.overlay.ipv4.description,
                    overlayIPv6: grant.overlay.ipv6.description, mtu: grant.overlayMTU,
                    vxlanPort: Int(grant.vxlanPort), bindUntil: grant.bindUntil, cooldown: grant.cooldown,
                    aggregateInterval: grant.aggregateInterval)
            }, connected: status.connected, silentFor: status.silentFor, position: status.position.description,
            acknowledged: status.acknowledged.description, leases: status.leases.map(Lease.init),
            bindings: status.bindings.map(Binding.init),
            counts: Counts(status.counts, waiting: status.waitingLaunches),
            dataplane: status.host.map { host in
                var view = Dataplane()
                view.routes = host.routes
                view.nexthops = host.nexthops
                view.nftElements = host.nftElements
                view.remoteBlocks = status.remoteBlocks
                view.kernelWrites = host.kernelWrites
                view.foreign = host.foreign
                view.pending = host.pending
                view.paths = host.paths
                view.silentPaths = host.silentPaths.map(\.description)
                return view
            })
    }
}

extension AgentStatusReport.Lease {
    init(_ lease: LeaseStatus) {
        self.init(
            block: lease.lease.block, application: lease.lease.application, epoch: lease.lease.epoch,
            staged: lease.lease.staged, marked: lease.lease.marked, drained: lease.drained, bound: lease.bound,
            cooling: lease.cooling, available: lease.available)
    }
}

extension AgentStatusReport.Binding {
    init(_ status: BindingStatus) {
        let binding = status.binding
        self.init(
            sni: binding.sni, interface: binding.interface, application: binding.application,
            session: binding.session, state: binding.state.rawValue, servedFrom: binding.servedFrom.rawValue,
            epoch: binding.epoch, mac: status.mac, port: status.port)
    }
}

extension AgentStatusReport.Counts {
    init(_ counts: LaunchCounts, waiting: Int) {
        self.init()
        staged = counts.staged
        leased = counts.leased
        reserved = counts.reserved
        cold = counts.cold
        failed = counts.failed
        stopped = counts.stopped
        self.waiting = waiting
    }
}
