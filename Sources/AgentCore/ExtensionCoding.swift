import FleetProtocol
import NetworkTypes

/// What checkpoints of version 1.0 did not have: one counted list after another behind the fields of old.
extension ByteWriter {
    mutating func departure(_ value: Departure) {
        sni(value.sni)
        interface(value.interface)
        number(value.epoch.rawValue)
        text(value.destination.name)
        text(value.phase.rawValue)
    }

    mutating func extensions(of value: Checkpoint) {
        list(value.holds) {
            $0.sni($1.sni)
            $0.signed($1.hold.inNanoseconds)
        }
        list(value.dropped) { $0.endpoint($1) }
        list(value.departures) { $0.departure($1) }
        list(value.arrived) { $0.sni($1) }
        list((value.leases + value.orphans).filter { $0.incoming != nil }) {
            $0.block($1.block)
            if let interface = $1.incoming { $0.interface(interface) }
        }
        list(value.remotes.filter(\.standby)) { $0.block($1.block) }
    }
}

extension ByteReader {
    mutating func departure() throws(JournalRecordError) -> Departure {
        Departure(
            sni: try sni(), interface: try interface(), epoch: Epoch(try number()), destination: try host(),
            phase: try need(Departure.Phase(rawValue: try text()), "a phase of a departure"))
    }

    mutating func extensions(of value: inout Checkpoint) throws(JournalRecordError) {
        value.holds = try list { (part) throws(JournalRecordError) in
            IdentifierHold(sni: try part.sni(), hold: .nanoseconds(try part.signed()))
        }
        value.dropped = try list { (part) throws(JournalRecordError) in try part.endpoint() }
        value.departures = try list { (part) throws(JournalRecordError) in try part.departure() }
        value.arrived = try list { (part) throws(JournalRecordError) in try part.sni() }
        let incoming = try list { (part) throws(JournalRecordError) in (try part.block(), try part.interface()) }
        let expected = Dictionary(incoming, uniquingKeysWith: { $1 })
        for index in value.leases.indices { value.leases[index].incoming = expected[value.leases[index].block] }
        for index in value.orphans.indices { value.orphans[index].incoming = expected[value.orphans[index].block] }
        let standby = Set(try list { (part) throws(JournalRecordError) in try part.block() })
        for index in value.remotes.indices where standby.contains(value.remotes[index].block) {
            value.remotes[index].standby = true
        }
    }
}

/// Former endpoints of remote blocks: there are some only while a peer changes its endpoint.
extension Checkpoint {
    var hasFormers: Bool { remotes.contains { $0.former != nil } }
}

extension ByteWriter {
    mutating func formers(of value: Checkpoint) {
        list(value.remotes.filter { $0.former != nil }) {
            $0.block($1.block)
            if let former = $1.former { $0.endpoint(former) }
        }
    }
}

extension ByteReader {
    mutating func formers(of value: inout Checkpoint) throws(JournalRecordError) {
        let formers = Dictionary(
            try list { (part) throws(JournalRecordError) in (try part.block(), try part.endpoint()) },
            uniquingKeysWith: { $1 })
        for index in value.remotes.indices { value.remotes[index].former = formers[value.remotes[index].block] }
    }
}
