import FleetProtocol
import NetworkTypes

extension JournalRecord {
    /// First byte of every record.
    static let codingVersion: UInt8 = 1

    /// Version, kind, fields in order.
    public func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.byte(Self.codingVersion)
        writer.byte(kind)
        switch self {
        case .grant(let position, let grant, let contact): writer.granting(position, grant, contact)
        case .stopped(let position, let grant, let contact, let code, let reason):
            writer.granting(position, grant, contact)
            writer.text(code)
            writer.text(reason)
        case .refused(let code, let reason):
            writer.text(code)
            writer.text(reason)
        case .contact(let boot, let at):
            writer.uuid(boot)
            writer.signed(at.nanoseconds)
        case .update(let position, let update):
            writer.position(position)
            writer.flag(update.isSnapshot)
            writer.number(update.baseRevision)
            writer.list(update.operations) { $0.operation($1) }
            if update.withdraw { writer.flag(true) }
        case .bound(let bound): writer.bound(bound)
        case .unbound(let sni), .ended(let sni), .plugged(let sni), .arrived(let sni): writer.sni(sni)
        case .held(let sni, let hold):
            writer.sni(sni)
            writer.signed(hold.inNanoseconds)
        case .drained(let block, let epoch):
            writer.block(block)
            writer.number(epoch.rawValue)
        case .reported(let sequence): writer.number(sequence)
        case .recovering(let flag), .resting(let flag): writer.flag(flag)
        case .checkpoint(let checkpoint):
            writer.checkpoint(checkpoint)
            writer.extensions(of: checkpoint)
            writer.flag(checkpoint.resting)
            if checkpoint.hasFormers { writer.formers(of: checkpoint) }
        }
        return writer.bytes
    }

    /// Second byte. 12 and 14 are checkpoints without fields that came later; they are read and not written any more.
    private var kind: UInt8 {
        switch self {
        case .grant: 1
        case .refused: 2
        case .contact: 3
        case .update(_, let update): update.withdraw ? 15 : 4
        case .bound: 5
        case .unbound: 6
        case .ended: 7
        case .plugged: 8
        case .drained: 9
        case .reported: 10
        case .recovering: 11
        case .stopped: 13
        case .checkpoint(let checkpoint): checkpoint.hasFormers ? 20 : 19
        case .held: 16
        case .arrived: 17
        case .resting: 18
        }
    }

    /// Reads one record; anything left over is an error.
    public init(decoding bytes: [UInt8]) throws(JournalRecordError) {
        var reader = ByteReader(bytes)
        let version = try reader.byte()
        guard version == Self.codingVersion else { throw .unknownVersion(version) }
        let kind = try reader.byte()
        switch kind {
        case 1:
            let position = try reader.position()
            let grant = try reader.grant()
            self = .grant(position, grant, contact: Instant(nanoseconds: try reader.signed()))
        case 2: self = .refused(code: try reader.text(), reason: try reader.text())
        case 3: self = .contact(try reader.uuid(), Instant(nanoseconds: try reader.signed()))
        case 4, 15:
            let position = try reader.position()
            let isSnapshot = try reader.flag()
            let base = try reader.number()
            let operations = try reader.list { (part) throws(JournalRecordError) in try part.operation() }
            self = .update(
                position,
                StateUpdate(
                    isSnapshot: isSnapshot, baseRevision: base, operations: operations,
                    withdraw: kind == 15 ? try reader.flag() : false))
        case 5: self = .bound(try reader.bound())
        case 6: self = .unbound(try reader.sni())
        case 7: self = .ended(try reader.sni())
        case 8: self = .plugged(try reader.sni())
        case 9: self = .drained(try reader.block(), Epoch(try reader.number()))
        case 10: self = .reported(journalSequence: try reader.number())
        case 11: self = .recovering(try reader.flag())
        case 12: self = .checkpoint(try reader.checkpoint())
        case 13:
            let position = try reader.position()
            let grant = try reader.grant()
            self = .stopped(
                position, grant, contact: Instant(nanoseconds: try reader.signed()), code: try reader.text(),
                reason: try reader.text())
        case 14, 19, 20:
            var checkpoint = try reader.checkpoint()
            try reader.extensions(of: &checkpoint)
            if kind >= 19 { checkpoint.resting = try reader.flag() }
            if kind == 20 { try reader.formers(of: &checkpoint) }
            self = .checkpoint(checkpoint)
        case 16: self = .held(try reader.sni(), .nanoseconds(try reader.signed()))
        case 17: self = .arrived(try reader.sni())
        case 18: self = .resting(try reader.flag())
        default: throw .unknownKind(kind)
        }
        guard reader.isAtEnd else { throw reader.fail("the end of the record") }
    }
}

extension ByteWriter {
    fileprivate mutating func granting(_ position: Position, _ grant: BootGrant, _ contact: Instant) {
        self.position(position)
        self.grant(grant)
        signed(contact.nanoseconds)
    }

    fileprivate mutating func operation(_ value: StateOperation) {
        switch value {
        case .setScope(let scope):
            byte(1)
            self.scope(scope)
        case .removeScope(let application):
            byte(2)
            uuid(application)
        case .setLease(let order):
            byte(order.incoming == nil ? 3 : 11)
            self.order(order)
            if let interface = order.incoming { self.interface(interface) }
        case .removeLease(let block, let epoch):
            byte(4)
            self.block(block)
            number(epoch.rawValue)
        case .setRemote(let remote):
            byte(remote.former != nil ? 14 : remote.standby ? 12 : 5)
            self.remote(remote)
            if let former = remote.former {
                endpoint(former)
                flag(remote.standby)
            }
        case .removeRemote(let block, let epoch):
            byte(6)
            self.block(block)
            number(epoch.rawValue)
        case .dropEndpoint(let vtep):
            byte(7)
            endpoint(vtep)
        case .admitEndpoint(let vtep):
            byte(8)
            endpoint(vtep)
        case .setDeparture(let departure):
            byte(9)
            self.departure(departure)
        case .removeDeparture(let sni, let epoch):
            byte(10)
            self.sni(sni)
            number(epoch.rawValue)
        case .switchEndpoint(let vtep):
            byte(13)
            endpoint(vtep)
        }
    }

    fileprivate mutating func checkpoint(_ value: Checkpoint) {
        position(value.position)
        optional(value.grant) { $0.grant($1) }
        optional(value.refusal) {
            $0.text($1.code)
            $0.text($1.reason)
        }
        optional(value.contact) {
            $0.uuid($1.boot)
            $0.signed($1.at.nanoseconds)
        }
        flag(value.recovering)
        list(value.scopes) { $0.scope($1) }
        list(value.leases) { $0.order($1) }
        list(value.drained) { $0.lease($1) }
        list(value.orphans) { $0.order($1) }
        list(value.remotes) { $0.remote($1) }
        list(value.bindings) { $0.bound($1) }
        list(value.used) {
            $0.sni($1.sni)
            $0.number($1.sequence)
        }
        number(value.reported)
        list(value.unreported) {
            $0.number($1.sequence)
            $0.binding($1.binding)
        }
    }
}

extension ByteReader {
    fileprivate mutating func operation() throws(JournalRecordError) -> StateOperation {
        switch try byte() {
        case 1: return .setScope(try scope())
        case 2: return .removeScope(try uuid())
        case 3: return .setLease(try order())
        case 4: return .removeLease(try block(), Epoch(try number()))
        case 5: return .setRemote(try remote())
        case 6: return .removeRemote(try block(), Epoch(try number()))
        case 7: return .dropEndpoint(try endpoint())
        case 8: return .admitEndpoint(try endpoint())
        case 9: return .setDeparture(try departure())
        case 10: return .removeDeparture(try sni(), Epoch(try number()))
        case 11:
            var order = try order()
            order.incoming = try interface()
            return .setLease(order)
        case 12:
            var remote = try remote()
            remote.standby = true
            return .setRemote(remote)
        case 13: return .switchEndpoint(try endpoint())
        case 14:
            var remote = try remote()
            remote.former = try endpoint()
            remote.standby = try flag()
            return .setRemote(remote)
        default: throw fail("a kind of state operation")
        }
    }

    fileprivate mutating func checkpoint() throws(JournalRecordError) -> Checkpoint {
        var value = Checkpoint()
        value.position = try position()
        value.grant = try optional { (part) throws(JournalRecordError) in try part.grant() }
        value.refusal = try optional { (part) throws(JournalRecordError) in
            Refusal(code: try part.text(), reason: try part.text())
        }
        value.contact = try optional { (part) throws(JournalRecordError) in
            Contact(boot: try part.uuid(), at: Instant(nanoseconds: try part.signed()))
        }
        value.recovering = try flag()
        value.scopes = try list { (part) throws(JournalRecordError) in try part.scope() }
        value.leases = try list { (part) throws(JournalRecordError) in try part.order() }
        value.drained = try list { (part) throws(JournalRecordError) in try part.lease() }
        value.orphans = try list { (part) throws(JournalRecordError) in try part.order() }
        value.remotes = try list { (part) throws(JournalRecordError) in try part.remote() }
        value.bindings = try list { (part) throws(JournalRecordError) in try part.bound() }
        value.used = try list { (part) throws(JournalRecordError) in
            IdentifierUse(sni: try part.sni(), sequence: try part.number())
        }
        value.reported = try number()
        value.unreported = try list { (part) throws(JournalRecordError) in
            BindingEvent(sequence: try part.number(), binding: try part.binding())
        }
        return value
    }
}
