import FleetProtocol
@_spi(Simulation) import NetworkTypes
import SNISpace

/// A host's tunnel endpoint changes, and no packet is lost: nobody sends from an address that a peer does not take yet,
/// and nobody stops to take one that is still sent from.
///
/// | state | event | next | who does what |
/// |---|---|---|---|
/// | (one endpoint) | hello with another one, its kernel sends from the former | announced | peers: send to the new one, take from both |
/// | announced | every peer acknowledged | ordered | host: sends from the new one |
/// | announced | a peer is fenced | announced | (it is not waited for) |
/// | ordered | the host acknowledged | (one endpoint) | peers: take from the new one only |
/// | announced, ordered | hello whose kernel sends from the endpoint it names | (one endpoint) | peers: take from that one only |
/// | announced, ordered | hello with a third endpoint | announced | peers: send to that one, take from it and the former |
///
/// Peers that are not reachable are waited for as well: their VMs run on, and take packets from the former endpoint
/// only. What the host is sent to needs no order: it takes packets to any address that it has.
extension CoordinatorMachine {
    /// After the record of a hello: what its endpoints mean.
    mutating func noteEndpoints(of host: HostID, before known: HostRecord?) {
        guard let record = state.hosts[host] else { return }
        if known?.vtep != record.vtep || known?.former != record.former {
            live.moves[host] = nil
            live.switches[host] = nil
            restage(host)
        }
        if record.former != nil, live.moves[host] == nil { awaitMove(of: host) }
    }

    private mutating func restage(_ host: HostID) {
        for lease in held(by: host) where lease.isActive {
            live.dirtyBlocks.insert(lease.block)
            live.dirtyHosts.formUnion(watchers(of: lease.application))
        }
    }

    /// From its start: also after a restart of the coordinator, which heard none of the acknowledgements.
    mutating func awaitMove(of host: HostID) {
        guard state.hosts[host]?.former != nil else { return }
        let peers = (live.applicationsOf[host] ?? []).reduce(into: Set<HostID>()) { $0.formUnion(watchers(of: $1)) }
        live.moves[host] = [:]
        for peer in peers
        where peer != host && !(state.safety[peer]?.fence?.isComplete ?? false)
            && !planted.contains(.switchBeforeAcknowledgement)
        {
            live.moves[host]?[peer] = .max
        }
        orderSwitch(of: host)
    }

    /// After everything was told: what a peer was sent last names the new endpoint, if anything that it was sent does.
    mutating func dateMoves() {
        for (host, owed) in live.moves.sorted(by: { $0.key < $1.key }) {
            for (peer, needed) in owed.sorted(by: { $0.key < $1.key }) where needed == .max {
                guard let known = live.hosts[peer], known.reach.isStreaming, known.sent != nil else { continue }
                live.moves[host]?[peer] = known.sentRevision
                let current = position
                guard known.acknowledged.generation == current.generation, known.acknowledged.term == current.term,
                    known.acknowledged.revision >= known.sentRevision
                else { continue }
                release(move: host, from: peer)
            }
        }
    }

    mutating func advanceMoves(by peer: HostID, at revision: UInt64) {
        for (host, owed) in live.moves.sorted(by: { $0.key < $1.key }) {
            guard let needed = owed[peer], needed <= revision else { continue }
            release(move: host, from: peer)
        }
        if let needed = live.switches[peer], needed <= revision { endMove(of: peer) }
    }

    /// A fenced host sends nothing and is sent nothing.
    mutating func excuseMoves(_ host: HostID) {
        live.moves[host] = nil
        live.switches[host] = nil
        for (moving, owed) in live.moves.sorted(by: { $0.key < $1.key }) where owed[host] != nil {
            release(move: moving, from: host)
        }
    }

    private mutating func release(move host: HostID, from peer: HostID) {
        live.moves[host]?[peer] = nil
        orderSwitch(of: host)
    }

    private mutating func orderSwitch(of host: HostID) {
        if live.moves[host]?.isEmpty ?? false { live.dirtyHosts.insert(host) }
    }

    /// What the host is told to send from; nil while that has to wait, and when nothing has to change.
    func endpointOrdered(of host: HostID) -> IPAddress? {
        guard let record = state.hosts[host], record.former != nil, live.moves[host]?.isEmpty ?? false else {
            return nil
        }
        return record.vtep
    }

    private mutating func endMove(of host: HostID) {
        live.moves[host] = nil
        live.switches[host] = nil
        guard var record = state.hosts[host], let former = record.former else { return }
        record.former = nil
        commit(.hostGranted(record))
        restage(host)
        notice(.info, "endpoint-changed", "host \(host) sends from \(record.vtep); \(former) is not used any more")
    }
}
