import AgentCore
import FleetProtocol
import NetworkTypes
import SimulationKit
import Testing

@Suite struct CodingTests {
    static let bound = BoundInterface(
        binding: BindingRecord(
            sni: SessionNetworkID(unchecked: 0xFF_FFFF), interface: Rig.vm(1, nic: 255), application: Rig.appA,
            session: SessionID(UUID128(high: 5, low: 6)), state: .held, servedFrom: .cold, epoch: Epoch(.max)),
        mac: MACAddress(0x064f_52ff_ffff), port: .veth(namespace: "/run/netns/ä", name: "eth0"), plugged: true)

    static let records: [JournalRecord] = {
        var tap = bound
        tap.port = .tap(owner: 0, group: .max)
        tap.binding.session = nil
        var checkpoint = Checkpoint()
        checkpoint.position = Position(generation: 1, term: 2, revision: .max)
        checkpoint.grant = Rig.grant()
        checkpoint.refusal = Refusal(code: "c", reason: "r")
        checkpoint.contact = Contact(boot: Rig.identity.boot, at: Instant(nanoseconds: -1))
        checkpoint.recovering = true
        checkpoint.bindings = [bound, tap]
        checkpoint.used = [IdentifierUse(sni: SessionNetworkID(unchecked: 3), sequence: 9)]
        checkpoint.unreported = [BindingEvent(sequence: 7, binding: bound.binding)]
        let order = LeaseOrder(
            block: Rig.block(0x1000, 256), application: Rig.appA, epoch: Epoch(3), staged: true, marked: true,
            force: true, fromReserved: false)
        checkpoint.leases = [order]
        checkpoint.drained = [LeaseRecord(block: order.block, application: Rig.appA, epoch: Epoch(3), drained: true)]
        let scope = ScopeState(
            application: Rig.appA, name: "Überraschung", ranges: [SNIRange(unchecked: 0, count: 1 << 24)],
            allowed: [Rig.appB], priority: .critical)
        let remote = RemoteBlock(
            block: Rig.block(8, 1), application: Rig.appB, epoch: Epoch(1), host: HostID("h2").unsafelyKnown,
            vtep: .v4(IPv4Address(.max)))
        var incoming = LeaseOrder(
            block: Rig.block(0x2001, 1), application: Rig.appA, epoch: Epoch(5), incoming: Rig.vm(7))
        incoming.staged = true
        var standby = remote
        standby.block = Rig.block(9, 1)
        standby.standby = true
        var moving = standby
        moving.block = Rig.block(10, 1)
        moving.former = .v6(IPv6Address(high: 3, low: 4))
        var moved = Checkpoint()
        moved.remotes = [remote, standby, moving]
        let departure = Departure(
            sni: SessionNetworkID(unchecked: 0x1001), interface: Rig.vm(3), epoch: Epoch(6),
            destination: HostID("h2").unsafelyKnown, phase: .flipped)
        checkpoint.scopes = [scope]
        checkpoint.remotes = [remote, standby]
        checkpoint.leases.append(incoming)
        checkpoint.holds = [IdentifierHold(sni: bound.binding.sni, hold: .seconds(3600))]
        checkpoint.dropped = [.v4(IPv4Address(0)), .v4(IPv4Address(.max)), .v6(IPv6Address(high: .max, low: 1))]
        checkpoint.departures = [departure]
        checkpoint.arrived = [SessionNetworkID(unchecked: 0x2001)]
        checkpoint.resting = true
        return [
            .grant(Rig.position(3), Rig.grant(), contact: Instant(nanoseconds: .min)),
            .refused(code: "duplicate", reason: ""), .contact(Rig.identity.boot, Instant(nanoseconds: .max)),
            .update(
                Rig.position(9),
                StateUpdate(
                    isSnapshot: true, baseRevision: 0,
                    operations: [
                        .setScope(scope), .removeScope(Rig.appB), .setLease(order),
                        .removeLease(order.block, Epoch(1)), .setRemote(remote), .removeRemote(remote.block, Epoch(2)),
                    ])), .bound(bound), .bound(tap), .unbound(bound.binding.sni), .ended(bound.binding.sni),
            .plugged(bound.binding.sni), .drained(order.block, Epoch(4)), .reported(journalSequence: .max),
            .recovering(true), .checkpoint(checkpoint), .checkpoint(Checkpoint()), .checkpoint(moved),
            .stopped(
                Rig.position(3), Rig.grant(), contact: Instant(nanoseconds: 5), code: "frozen", reason: "cloned"),
            .held(bound.binding.sni, .seconds(3600)), .arrived(bound.binding.sni), .resting(true),
            .update(
                Rig.position(10),
                StateUpdate(
                    isSnapshot: true, baseRevision: 0,
                    operations: [
                        .dropEndpoint(.v4(IPv4Address(7))), .admitEndpoint(.v4(IPv4Address(8))),
                        .setDeparture(departure),
                        .dropEndpoint(.v6(IPv6Address(high: 1, low: .max))),
                        .admitEndpoint(.v6(IPv6Address(high: 0, low: 1))),
                        .removeDeparture(departure.sni, Epoch(7)), .setLease(incoming), .setRemote(standby),
                        .setRemote(moving), .switchEndpoint(.v4(IPv4Address(9))),
                    ], withdraw: true)),
        ]
    }()

    @Test(arguments: records) func roundTrip(record: JournalRecord) throws {
        #expect(try JournalRecord(decoding: record.encoded()) == record)
    }

    @Test(arguments: records) func everyPrefixIsAnError(record: JournalRecord) {
        let bytes = record.encoded()
        for length in 0..<bytes.count {
            #expect(throws: JournalRecordError.self) { try JournalRecord(decoding: Array(bytes.prefix(length))) }
        }
        #expect(throws: JournalRecordError.self) { try JournalRecord(decoding: bytes + [0]) }
    }

    @Test func goldenBytes() throws {
        #expect(
            JournalRecord.drained(Rig.block(0x1000, 16), Epoch(300)).encoded() == [1, 9, 0x80, 0x20, 4, 0xAC, 0x02])
        #expect(
            JournalRecord.held(SessionNetworkID(unchecked: 0x1000), .nanoseconds(64)).encoded()
                == [1, 16, 0x80, 0x20, 0x80, 0x01])
        // A checkpoint of an agent that knew no holds: the same fields, and nothing behind them.
        var old = Checkpoint()
        old.position = Position(generation: 1, term: 1, revision: 5)
        old.reported = 3
        var bytes = JournalRecord.checkpoint(old).encoded()
        bytes[1] = 12
        #expect(try JournalRecord(decoding: bytes.dropLast(7)) == .checkpoint(old))
        // And of one that knew no rest of what had no record.
        bytes[1] = 14
        #expect(try JournalRecord(decoding: bytes.dropLast(1)) == .checkpoint(old))
        #expect(throws: JournalRecordError.unknownVersion(2)) { try JournalRecord(decoding: [2, 9]) }
        #expect(throws: JournalRecordError.unknownKind(99)) { try JournalRecord(decoding: [1, 99]) }
    }

    @Test func damagedBytesNeverTrap() {
        var state: UInt64 = 42
        print("seed \(state)")
        for record in Self.records {
            let bytes = record.encoded()
            for _ in 0..<200 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                var damaged = bytes
                damaged[Int(state >> 33) % damaged.count] ^= UInt8(truncatingIfNeeded: state >> 20) | 1
                _ = try? JournalRecord(decoding: damaged)
            }
        }
    }
}
