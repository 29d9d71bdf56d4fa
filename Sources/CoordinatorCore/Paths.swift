import FleetProtocol
import NetworkTypes
import SNISpace

/// Paths between tunnel endpoints, as both ends see them. A staged block whose host and peers hear each other is `staged`
/// for people, and `staged-partial` where an echo between them goes unanswered. Nothing is decided by it: whoever cannot
/// be reached can be reached from no other identifier either.
extension CoordinatorMachine {
    /// Pairs of hosts of which one says that the other does not answer; empty on most days.
    var silentPairs: [HostID: Set<HostID>] {
        var owners: [IPAddress: HostID] = [:]
        var pairs: [HostID: Set<HostID>] = [:]
        for (host, known) in live.hosts where known.reach.isStreaming {
            guard let silent = known.report?.silentPaths, !silent.isEmpty else { continue }
            if owners.isEmpty {
                owners = Dictionary(state.hosts.values.map { ($0.vtep, $0.id) }, uniquingKeysWith: { min($0, $1) })
            }
            for other in silent.compactMap({ owners[$0] }) {
                pairs[host, default: []].insert(other)
                pairs[other, default: []].insert(host)
            }
        }
        return pairs
    }

    /// Peers of a staged block that its host does not hear, or that do not hear it.
    func silentPeers(of lease: BlockLease, in pairs: [HostID: Set<HostID>]) -> [HostID] {
        guard lease.state == .staged, let silent = pairs[lease.host] else { return [] }
        return watchers(of: lease.application).intersection(silent).sorted()
    }

    /// Staged blocks, sub-leases included, with and without a path that does not answer.
    var stagedCounts: (whole: Int, partial: Int) {
        let pairs = silentPairs
        let staged = everyLease.filter { $0.state == .staged }
        let partial = pairs.isEmpty ? 0 : staged.count { !silentPeers(of: $0, in: pairs).isEmpty }
        return (staged.count - partial, partial)
    }

    /// For `check`: each pair once.
    func silentPaths() -> [Finding] {
        silentPairs.sorted { $0.key < $1.key }.flatMap { host, others in
            others.filter { $0 > host }.sorted().map { other in
                Finding(
                    code: "path-silent", object: "hosts \(host) and \(other)",
                    detail: "an echo through the tunnel goes unanswered; blocks of both are staged-partial",
                    remedy:
                        "see 'pending' in outriderctl host show \(host), and \(other); look at the underlay between "
                        + "them, its MTU, and firewalls for the tunnel's UDP port")
            }
        }
    }
}
