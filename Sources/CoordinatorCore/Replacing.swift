import FleetProtocol
import NetworkTypes
import SNISpace

/// The operator's way out for a machine that is refused under a name that leases blocks: a lost or old journal, or an
/// image that was installed again.
///
/// | refused machine | replace | then |
/// |---|---|---|
/// | reports VMs, or that its journal is lost | accepted; leases stay | it adopts its VMs; binds anew after `agent resolve` |
/// | has nothing | accepted; the one in the record is fenced, as proven off | it joins at its next hello with nothing |
///
/// The installation in the record, when it is another one, gets no grant any more.
extension CoordinatorMachine {
    mutating func replace(_ host: HostID, reason: String) throws(CoordinatorError) -> Reply {
        try checkAudit(reason)
        guard let known = live.hosts[host], let candidate = known.candidate else {
            throw .invalid(
                field: "host", why: "no machine was refused under the name '\(host)' since the coordinator started")
        }
        guard known.stream == nil else {
            throw .invalid(field: "host", why: "\(host) reports; stop its agent first")
        }
        let record = state.hosts[host]
        let accepted = candidate.claimant.incarnation
        commit(.host(host, .replaced(by: accepted)))
        if let record, record.incarnation != accepted, !candidate.hasVMs {
            let fence = HostFence(
                incarnation: record.incarnation, vtep: record.vtep, proof: .poweredOff, reason: reason)
            commit(.host(host, .fenceStarted(fence)))
            completeFence(host)
            live.dirtyHosts.formUnion(live.hosts.keys)
        }
        live.hosts[host]?.candidate = nil
        live.hosts[host]?.refusal = nil
        notice(
            .warning, "host-replaced",
            "installation \(accepted) is \(host) from now on, \(candidate.hasVMs ? "with its VMs" : "with nothing"): "
                + reason)
        return .host(
            HostInfo(
                id: host, vtep: candidate.vtep, state: .refused, incarnation: accepted,
                boot: candidate.claimant.boot, leases: state.book.leaseCount(of: host),
                bound: state.bindings.boundByHost[host] ?? 0, acknowledgedRevision: 0, version: candidate.version,
                report: nil, silent: .zero, reason: "accepted; it joins when it says hello again"))
    }
}
