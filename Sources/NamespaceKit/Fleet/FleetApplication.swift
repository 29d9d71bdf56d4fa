public import LocalAPI
public import NetworkTypes

/// An application of a test installation, and where its launches go.
public struct FleetApplication: Hashable, Sendable {
    public let name: String
    public let id: ApplicationID
    /// Share of its launches that each host gets; they need not sum to 1.
    public let weights: [Double]

    public init(name: String, id: ApplicationID, weights: [Double]) {
        self.name = name
        self.id = id
        self.weights = weights
    }
}

/// A VM that was launched: a namespace with a port of its host's agent.
public struct LaunchedMachine: Sendable {
    public let name: String
    public let application: FleetApplication
    /// Index of its host.
    public let host: Int
    public let slot: VMSlot
    public let attachment: Attachment
    /// Name that its host's agent knows it by: ``name``, unless it took an interface of a ``WarmPool``.
    let interface: String

    public var ipv4: PeerAddress { .v4(attachment.addressing.ipv4) }
    public var ipv6: PeerAddress { .v6(attachment.addressing.ipv6) }
}

/// What one launch came to.
public struct LaunchRecord: Sendable {
    /// Part of the run that it counts for, as ``Launcher/beginDay(_:)`` said; 0 is the first compressed day.
    public let day: Int
    public let application: String
    public let host: Int
    public let sni: SessionNetworkID
    /// As the agent told: `staged`, `leased`, `reserved` or `cold`.
    public let servedFrom: String
    /// It took an interface that a ``WarmPool`` had ready.
    public let warm: Bool
    public let started: ContinuousClock.Instant
    public let attached: ContinuousClock.Instant
    /// Nil when no VM of the application ran on another host that could answer.
    public let replied: ContinuousClock.Instant?

    /// Family of the first reply's probes.
    public let family: String

    /// Milliseconds.
    public var attachTime: Double { (attached - started).milliseconds }
    /// Milliseconds from the start of the attach call.
    public var firstReplyTime: Double? { replied.map { ($0 - started).milliseconds } }
}
