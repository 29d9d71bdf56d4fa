import Dataplane
import NetworkTypes

/// Tunnel endpoints that change: the machine has both addresses, its kernel sends from the one that it had until the agent
/// is told to switch, and no packet may be lost by that.
extension World {
    /// An operator gives the machine one more address, and its agent that one.
    mutating func changeEndpoint(of host: Int) {
        guard hosts[host].agent != nil, !isDoubled(host) else { return }
        probes.hit(.endpointChanged)
        killAgent(on: host)
        endpointsGiven += 1
        hosts[host].vtep = .v4(IPv4Address(172 << 24 | 16 << 16 | UInt32(endpointsGiven)))
        hosts[host].addresses.insert(hosts[host].vtep)
        trace("h\(host)", "endpoint", "\(hosts[host].vtep)")
        queue.put(.agentStart, host, at: now + faultDice.time(0, Time.second))
    }

    /// What the agent finds its kernel sending from, where that is not what it is told to.
    func former(of host: Int) -> IPAddress? {
        hosts[host].kernel.endpoint.flatMap { $0 == hosts[host].vtep ? nil : $0 }
    }

    // MARK: Checks

    /// Whoever takes a VM's packets takes them after the switch, too.
    mutating func switchEndpoint(of host: Int, to endpoint: IPAddress) {
        let pairs = checks.ports.filter { $0.host == host }.flatMap { source in
            checks.ports.filter { $0.host != host }.map { (source.sni, $0) }
        }
        let taken = pairs.filter { takes($0.1, $0.0, from: host) }
        hosts[host].kernel.endpoint = endpoint
        guard let lost = taken.first(where: { !takes($0.1, $0.0, from: host) }),
            !checks.ledger.everFenced.contains(hosts[lost.1.host].name)
        else { return }
        violate(
            7,
            "host \(host) sends from \(endpoint), and host \(lost.1.host) takes \(lost.0)'s packets to "
                + "\(lost.1.sni) no more")
    }

    private func takes(_ target: Checker.ActivePort, _ source: UInt32, from host: Int) -> Bool {
        guard case .delivered(target.host, _) = deliver(from: host, source, to: target.sni, ignoringCuts: true) else {
            return false
        }
        return true
    }

    /// A route that changes, and does not go, keeps its host heard: whatever that sends from now.
    mutating func checkStillHeard(_ heard: [Int], _ before: RemoteRoute?, by host: Int, in block: SNIBlock) {
        guard let before, let after = hosts[host].kernel.remotes[block] else { return }
        for other in heard
        where hosts[other].addresses.contains(before.vtep) && hosts[other].addresses.contains(after.vtep)
            && hosts[other].isUp && !hosts[host].kernel.knows(hosts[other].sender)
        {
            violate(7, "host \(host) takes nothing from \(hosts[other].sender), which host \(other) still sends from")
        }
    }
}
