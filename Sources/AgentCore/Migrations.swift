import Dataplane
import FleetProtocol
@_spi(Simulation) import NetworkTypes

/// Migration, as both ends of it see it. The identifier is the destination's by a lease of one, and the source's only
/// as a departure: it is not handed out there before the coordinator has taken that back.
///
/// The flip is the guest's first frame at the destination. Until the source hears of it, it serves the VM as ever;
/// after it, it forwards what stale peers still send.
extension AgentMachine {
    // MARK: Destination

    /// The identifier that waits for this interface.
    func expected(_ wish: AttachRequest) -> SessionNetworkID? {
        let free = incoming[wish.interface]?.filter { block in
            guard let lease = durable.leases[block] else { return false }
            return lease.order.application == wish.application && lease.isBindable
                && durable.bindings[block.first] == nil && unknownPorts[block.first] == nil
        }
        return free?.min()?.first
    }

    /// Bound for a VM that has not spoken here yet.
    func isOnStandby(_ sni: SessionNetworkID) -> Bool {
        guard !planted.contains(.openBeforeFirstFrame), !durable.arrived.contains(sni),
            let lease = durable.lease(of: sni), lease.order.block.size == 1
        else {
            return false
        }
        return lease.order.incoming != nil
    }

    mutating func hearFirstFrame(of sni: SessionNetworkID, into effects: inout [AgentEffect]) {
        guard journalFailure == nil, isOnStandby(sni), durable.bindings[sni]?.binding.state == .bound,
            ports[sni] != nil, releases[sni] == nil
        else { return }
        journal([.arrived(sni)], into: &effects) { _ in .arrived(sni) }
    }

    mutating func arrivalJournaled(_ sni: SessionNetworkID, into effects: inout [AgentEffect]) {
        guard let port = port(of: sni), durable.bindings[sni]?.binding.state == .bound else { return }
        effects.append(.dataplane([.setPort(port)], expect(.arrivalDataplane(sni))))
    }

    mutating func arrivalApplied(
        _ sni: SessionNetworkID, _ result: Result<Void, DataplaneFailure>, at now: Instant,
        into effects: inout [AgentEffect]
    ) {
        // The guest speaks here, whatever the kernel says: the change stays desired.
        if case .failure = result { applyAgainAt = now + Self.retryInterval }
        guard let bound = durable.bindings[sni] else { return }
        effects.append(.notice(.arrived(sni, bound.binding.interface)))
        tellArrival(of: sni, into: &effects)
    }

    private func tellArrival(of sni: SessionNetworkID, into effects: inout [AgentEffect]) {
        guard streamGranted, let lease = durable.lease(of: sni), lease.order.incoming != nil else { return }
        effects.append(.send(.arrived(sni, lease.order.epoch)))
    }

    /// What was said on an earlier stream may not have been heard.
    func repeatArrivals(into effects: inout [AgentEffect]) {
        for sni in durable.arrived.sorted() { tellArrival(of: sni, into: &effects) }
    }

    // MARK: Source

    /// The VM runs elsewhere: its port goes, by the same steps as ever.
    mutating func depart(_ sni: SessionNetworkID, at now: Instant, into effects: inout [AgentEffect]) {
        guard let departure = durable.departures[sni], let interface = durable.holder(of: departure) else { return }
        effects.append(.notice(.departed(sni, interface)))
        if launches[interface] != nil {
            launches[interface]?.cancelled = true
        } else {
            release(sni, for: [], at: now, into: &effects)
        }
    }

    // MARK: Reports

    /// A report with the position that the kernel had reached when it was made, and how the journal is.
    func dated(_ report: HostReport) -> HostReport {
        var report = report
        report.kernel?.position = applied
        report.journalFailure = journalFailure
        return report
    }
}
