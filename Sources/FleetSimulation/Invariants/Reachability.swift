import CoordinatorCore
import Dataplane
import NetworkTypes

/// Where a packet ends.
enum Delivery {
    case delivered(Int, Port)
    case noRoute
    case refusedBySender
    case refusedByReceiver
    /// The underlay between the two hosts is cut.
    case lost
}

/// Invariants 1 and 6: what the kernels let through. Incremental: after each step only what the step touched.
extension World {
    // MARK: Packets

    /// Follows a packet as the kernels would: anti-spoof and forward filter at the sender, its most specific route with
    /// that route's encap id, then the receiver's admitted senders, VNI filter, ingress element and forward filter.
    func deliver(from host: Int, _ source: UInt32, to destination: UInt32, ignoringCuts: Bool = false) -> Delivery {
        guard hosts[host].kernel.ports[source]?.standby == false,
            hosts[host].kernel.permits(from: source, to: destination)
        else {
            return .refusedBySender
        }
        if let port = hosts[host].kernel.ports[destination], hosts[host].kernel.isActive(destination) {
            return .delivered(host, port)
        }
        guard let route = hosts[host].kernel.route(to: destination) else { return .noRoute }
        let vtep = hosts[host].sender
        var isLost = false
        for target in hosts.indices
        where target != host && hosts[target].isUp && hosts[target].addresses.contains(route.vtep) {
            if !ignoringCuts, weather.isCut(hosts[target].nameIndex, hosts[host].nameIndex) {
                isLost = true
                continue
            }
            if let end = forwarded(by: target, source, to: destination, along: route, from: vtep) { return end }
            guard hosts[target].kernel.admits(destination, vni: route.block.first.rawValue),
                hosts[target].kernel.isActive(destination), hosts[target].kernel.knows(vtep),
                hosts[target].kernel.permits(from: source, to: destination),
                let port = hosts[target].kernel.ports[destination]
            else { continue }
            return .delivered(target, port)
        }
        return isLost ? .lost : .refusedByReceiver
    }

    /// Packets cross applications never, except by a policy that both sides have had.
    mutating func checkCrossing(_ sender: Port, of host: Int, _ receiver: Port, of target: Int) {
        guard sender.application != receiver.application,
            !checks.friends.contains(ApplicationPair(sender.application, receiver.application))
        else { return }
        violate(
            6,
            "host \(host) delivers from \(sender.sni) of \(sender.application) to \(receiver.sni) of "
                + "\(receiver.application) on host \(target)")
    }

    // MARK: What changed

    mutating func kernelChanged(_ entry: KernelEntry, on host: Int) {
        checks.touched.append(Checker.Touch(host: host, entry: entry))
        guard case .port(let sni) = entry else { return }
        let isActive = hosts[host].kernel.isActive(sni)
        let wasActive = checks.holders[sni]?.contains(host) == true
        if wasActive, !isActive { checks.lastUse[host][sni] = now }
        if isActive, !wasActive {
            checks.holders[sni, default: []].append(host)
            checks.ports.append(Checker.ActivePort(host: host, sni: sni))
        } else if wasActive, !isActive {
            forgetPort(sni, on: host)
        }
    }

    private mutating func forgetPort(_ sni: UInt32, on host: Int) {
        checks.holders[sni]?.removeAll { $0 == host }
        if checks.holders[sni]?.isEmpty == true { checks.holders[sni] = nil }
        checks.ports.removeAll { $0.sni == sni && $0.host == host }
    }

    mutating func kernelLost(on host: Int) {
        checks.blind.remove(host)
        for port in checks.ports where port.host == host {
            checks.lastUse[host][port.sni] = now
            forgetPort(port.sni, on: host)
        }
        forgetVMs(on: host)
    }

    mutating func checkTouched() {
        let touched = checks.touched
        checks.touched.removeAll(keepingCapacity: true)
        for touch in touched {
            switch touch.entry {
            case .port(let sni):
                checkOpening(of: sni, on: touch.host)
                guard let holders = checks.holders[sni], holders.contains(touch.host) else { continue }
                if holders.count > 1 { checks.duplicates.insert(sni) }
                checkCrossings(of: sni, on: touch.host)
            case .remote(let block):
                checkCrossings(from: touch.host, into: block)
                if block.size == 1 { checkCrossings(forwardedTo: block.first.rawValue, by: touch.host) }
            case .local(let block): checkCrossings(into: block, on: touch.host)
            case .scope: checkCrossings(on: touch.host)
            case .forward(let sni): checkCrossings(forwardedTo: sni, by: touch.host)
            case .endpoint: break
            }
        }
        guard !checks.duplicates.isEmpty else { return }
        for sni in checks.duplicates.sorted() where !checkDuplicate(sni) { checks.duplicates.remove(sni) }
    }

    // MARK: Invariant 1

    /// - Returns: whether two hosts still hold the identifier.
    private mutating func checkDuplicate(_ sni: UInt32) -> Bool {
        guard let holders = checks.holders[sni], holders.count > 1 else { return false }
        if isOneMigratingInterface(sni, on: holders) { return true }
        let reached = reachedHolders(of: sni, among: holders)
        if reached.count > 1 {
            violate(1, "SNI \(sni) is bound on hosts \(holders), and third hosts route to \(reached)")
        }
        return true
    }

    /// Holders that some host outside them has a route to.
    ///
    /// A fence does not wait for hosts that cannot be reached: what they still send to a fenced one is not counted.
    func reachedHolders(of sni: UInt32, among holders: [Int]) -> [Int] {
        holders.filter { holder in
            let isFenced = checks.ledger.fences[hosts[holder].name]?.isComplete == true
            return hosts.contains { third in
                guard let vtep = third.isUp ? third.kernel.route(to: sni)?.vtep : nil else { return false }
                return !holders.contains(third.index) && !(isFenced && isExcused(third.nameIndex))
                    && hosts[holder].addresses.contains(vtep)
            }
        }
    }

    // MARK: Invariant 6

    mutating func check(_ source: Checker.ActivePort, to sni: UInt32) {
        guard let sender = hosts[source.host].kernel.ports[source.sni] else { return }
        guard
            case .delivered(let target, let receiver) = deliver(
                from: source.host, source.sni, to: sni, ignoringCuts: true)
        else { return }
        checkCrossing(sender, of: source.host, receiver, of: target)
    }

    private mutating func checkCrossings(of sni: UInt32, on host: Int) {
        guard let application = hosts[host].kernel.ports[sni]?.application else { return }
        for other in checks.ports where hosts[other.host].kernel.ports[other.sni]?.application != application {
            check(other, to: sni)
            check(Checker.ActivePort(host: host, sni: sni), to: other.sni)
        }
    }

    private mutating func checkCrossings(from host: Int, into block: SNIBlock) {
        for sni in block.first.rawValue..<block.range.end where checks.holders[sni] != nil {
            for source in checks.ports where source.host == host { check(source, to: sni) }
        }
    }

    private mutating func checkCrossings(into block: SNIBlock, on host: Int) {
        for sni in block.first.rawValue..<block.range.end where checks.holders[sni]?.contains(host) == true {
            for source in checks.ports { check(source, to: sni) }
        }
    }

    /// The forward filter of a host changed: as sender it matters for its own ports, as receiver, too.
    private mutating func checkCrossings(on host: Int) {
        let own = checks.ports.filter { $0.host == host }
        for port in own { checkCrossings(of: port.sni, on: host) }
    }
}
