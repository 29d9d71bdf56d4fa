public import FleetProtocol
public import NetworkTypes

/// One entry of the agent's journal. `encoded()` and `init(decoding:)` turn it into bytes and back.
public enum JournalRecord: Hashable, Sendable {
    /// Binding is allowed in this boot, with these settings. `contact` is the boot-time clock.
    case grant(Position, BootGrant, contact: Instant)
    /// The coordinator joined this boot without permission to bind: the settings of a grant, and why it is none.
    case stopped(Position, BootGrant, contact: Instant, code: String, reason: String)
    /// The coordinator refused this boot: a grant journalled before no longer counts.
    case refused(code: String, reason: String)
    /// The coordinator was last heard at this boot-time instant of this boot.
    case contact(BootID, Instant)
    /// A state update as received.
    case update(Position, StateUpdate)
    /// An interface got an identifier.
    case bound(BoundInterface)
    /// Unbound; its port, if any, is about to go.
    case unbound(SessionNetworkID)
    /// The port is gone and the cooldown over.
    case ended(SessionNetworkID)
    /// A later port was handed over.
    case plugged(SessionNetworkID)
    /// The VM stopped; its identifier is kept for this long, counted from the start again after a restart.
    case held(SessionNetworkID, Duration)
    /// A VM that migrated here has sent its first frame.
    case arrived(SessionNetworkID)
    /// Point of no return of a block: nothing is bound there at this epoch or below.
    case drained(SNIBlock, Epoch)
    /// Binding events up to here are durable at the coordinator.
    case reported(journalSequence: UInt64)
    /// The journal before this was lost; `false` ends the recovery.
    case recovering(Bool)
    /// Identifiers without a record were in use: after a restart everything rests once, until `false`.
    case resting(Bool)
    /// Everything before, in one record.
    case checkpoint(Checkpoint)
}

/// A record and its place in the journal.
public struct JournalEntry: Hashable, Sendable {
    public var sequence: UInt64
    public var record: JournalRecord
    public init(sequence: UInt64, record: JournalRecord) {
        self.sequence = sequence
        self.record = record
    }
}

/// A binding with all that a second, identical Attach is compared with.
public struct BoundInterface: Hashable, Sendable {
    public var binding: BindingRecord
    public var mac: MACAddress
    public var port: PortRequest
    /// A port that was to come later has come.
    public var plugged: Bool
    public init(binding: BindingRecord, mac: MACAddress, port: PortRequest, plugged: Bool = false) {
        self.binding = binding
        self.mac = mac
        self.port = port
        self.plugged = plugged
    }
}

/// The whole durable state.
public struct Checkpoint: Hashable, Sendable {
    public var position = Position.zero
    public var grant: BootGrant?
    public var refusal: Refusal?
    public var contact: Contact?
    public var recovering = false
    public var scopes: [ScopeState] = []
    public var leases: [LeaseOrder] = []
    /// Blocks past the point of no return.
    public var drained: [LeaseRecord] = []
    /// Leases taken away while in use.
    public var orphans: [LeaseOrder] = []
    public var remotes: [RemoteBlock] = []
    public var bindings: [BoundInterface] = []
    public var used: [IdentifierUse] = []
    public var reported: UInt64 = 0
    /// Binding events not yet durable at the coordinator.
    public var unreported: [BindingEvent] = []
    /// Identifiers kept for stopped VMs, and for how long.
    public var holds: [IdentifierHold] = []
    /// Endpoints that nothing may be sent to or taken from.
    public var dropped: [IPAddress] = []
    /// Identifiers that move, or moved, to another host.
    public var departures: [Departure] = []
    /// Identifiers whose VM migrated here and spoke, while the coordinator may not know it yet.
    public var arrived: [SessionNetworkID] = []
    /// Identifiers without a record were in use, and may not have rested yet.
    public var resting = false
    public init() {}
}

/// When an identifier was used last, as a journal sequence.
public struct IdentifierUse: Hashable, Sendable {
    public var sni: SessionNetworkID
    public var sequence: UInt64
    public init(sni: SessionNetworkID, sequence: UInt64) {
        self.sni = sni
        self.sequence = sequence
    }
}

/// An identifier kept for a stopped VM.
public struct IdentifierHold: Hashable, Sendable {
    public var sni: SessionNetworkID
    /// Remaining life, from the start after a restart.
    public var hold: Duration
    public init(sni: SessionNetworkID, hold: Duration) {
        self.sni = sni
        self.hold = hold
    }
}

/// A binding event and its place in the journal.
public struct BindingEvent: Hashable, Sendable {
    public var sequence: UInt64
    public var binding: BindingRecord
    public init(sequence: UInt64, binding: BindingRecord) {
        self.sequence = sequence
        self.binding = binding
    }
}

/// The coordinator's no.
public struct Refusal: Hashable, Sendable {
    public var code: String
    public var reason: String
    public init(code: String, reason: String) {
        self.code = code
        self.reason = reason
    }
}

/// When the coordinator was last heard, on the clock of one boot.
public struct Contact: Hashable, Sendable {
    public var boot: BootID
    public var at: Instant
    public init(boot: BootID, at: Instant) {
        self.boot = boot
        self.at = at
    }
}
