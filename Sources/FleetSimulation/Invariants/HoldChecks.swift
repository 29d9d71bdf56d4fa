import AgentCore
import FleetProtocol
import NetworkTypes

/// Holds (invariants 2 and 3): a held identifier is its interface's alone, survives what a binding survives and the power
/// of its host as well, and is given up when it was asked back or its time is over, counted anew by every process.
extension World {
    mutating func observeHolds(atStart view: JournalView, on host: Int) {
        checks.holdSince[host] = [:]
        for (sni, binding) in view.bindings where binding.isHeld && !binding.isCooling {
            checks.holdSince[host][sni] = now
            probes.hit(.heldSurvivedKill)
        }
    }

    mutating func checkHolding(_ sni: UInt32, on host: Int) {
        guard let binding = checks.views[host].bindings[sni], !binding.isCooling else {
            return violate(2, "host \(host) holds \(sni), which nothing is bound to")
        }
        checks.holdSince[host][sni] = now
        // A hold is no wish to give it up, whatever was asked before its VM started again.
        checks.detachAsked[host].remove(binding.interface)
    }

    /// A binding that its own interface was held in.
    mutating func isResumed(_ binding: BindingRecord, in view: JournalView) -> Bool {
        guard let held = view.bindings[binding.sni.rawValue], held.isHeld, !held.isCooling,
            held.interface == binding.interface
        else { return false }
        probes.hit(.heldResumed)
        return true
    }

    /// A stop with a hold is answered: what is promised is on the disk.
    mutating func observe(
        kept interface: VMInterface, as sni: SessionNetworkID?, for hold: Duration, on host: Int
    ) {
        checks.holdAsked[host].remove(interface)
        // What was given up on the way, for a reason that counts, is not promised.
        guard let sni, checks.acknowledged[host][interface] == sni.rawValue, !checks.views[host].isRecovering,
            let binding = checks.views[host].bindings[sni.rawValue], binding.interface == interface
        else { return }
        guard binding.isHeld, !binding.isCooling else {
            return violate(3, "the hold of \(interface) is answered and \(sni) is not held")
        }
        if binding.heldSequence > hosts[host].journal.durableSequence {
            violate(3, "the hold of \(interface) is answered before its record \(binding.heldSequence) is durable")
        }
        if binding.hold != hold.inNanoseconds {
            violate(3, "\(interface) is held for \(seconds(binding.hold)) s and was promised \(hold)")
        }
    }

    /// Asked for and answered: what gave the identifier back is on the disk.
    ///
    /// - Returns: whether it was given back at all.
    mutating func checkRecord(ofEnd binding: JournalView.Binding, on host: Int) -> Bool {
        if binding.isCooling, binding.endSequence > hosts[host].journal.durableSequence {
            violate(3, "detach of \(binding.interface) is answered before its record \(binding.endSequence) is durable")
        }
        return binding.isCooling
    }

    /// An unbinding that nobody asked for and that is right nevertheless: a hold is over, or can't be kept; the VM runs at
    /// another host.
    mutating func mayEnd(_ sni: UInt32, of interface: VMInterface, on host: Int) -> Bool {
        let view = checks.views[host]
        if view.hasLeft(sni, interface) { return true }
        guard let binding = view.bindings[sni] else { return false }
        if binding.isHeld, binding.isForced { probes.hit(.heldTakenByForce) }
        if binding.isHeld, let since = checks.holdSince[host][sni], now - since >= binding.hold {
            probes.hit(.holdEnded)
            return true
        }
        guard checks.holdAsked[host].contains(interface) else { return false }
        // What is on its way out can't be kept.
        guard let (_, lease) = view.lease(around: sni) else { return true }
        return lease.isOrphan || lease.isDrained || lease.isMarked && lease.isForced
    }

    /// Power is gone, and with it every VM and what was answered about it; a stopped one has nothing to lose.
    mutating func forgetVMs(on host: Int) {
        let view = checks.views[host]
        let durable = hosts[host].journal.durableSequence
        checks.acknowledged[host] = checks.acknowledged[host].filter { interface, sni in
            guard let binding = view.bindings[sni], binding.interface == interface else { return false }
            return binding.isHeld && !binding.isCooling && binding.heldSequence <= durable
                && !checks.detachAsked[host].contains(interface)
        }
        if !checks.acknowledged[host].isEmpty { probes.hit(.heldSurvivedReboot) }
    }

    mutating func observe(refused block: SNIBlock, by host: Int) {
        probes.hit(.markRefused)
        let view = checks.views[host]
        if (block.first.rawValue..<block.range.end).contains(where: { view.bindings[$0]?.isHeld == true }) {
            probes.hit(.drainRefusedForHeld)
        }
        if block.size == 1, view.arrived.contains(block.first.rawValue) { probes.hit(.arrivalBeatAbort) }
    }

    // MARK: Liveness

    /// A hold that is over, or a port of an identifier that is held: neither stays.
    func unfinishedHold() -> String? {
        for host in hosts where host.original == nil {
            for (sni, binding) in checks.views[host.index].bindings where binding.isHeld && !binding.isCooling {
                if let link = host.kernel.links[sni], link.interface == binding.interface {
                    return "\(host.name) has a port of \(sni), which is held"
                }
                guard let since = checks.holdSince[host.index][sni] else {
                    return "nobody knows since when \(sni) is held"
                }
                if now - since > binding.hold + 5 * Time.second { return "\(host.name) holds \(sni) past its time" }
            }
        }
        return nil
    }
}
