/// Safeguards that a machine leaves out, one by one, so that the simulation can prove that it would notice.
///
/// Empty in every program that is shipped: no configuration, message or environment reaches it. Only code that asks for
/// the `Simulation` interface by name can set it, and only the simulator does.
@_spi(Simulation) public struct PlantedDefects: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A reclaimed block is free at once.
    public static let skipQuarantine = PlantedDefects(rawValue: 1 << 0)
    /// An unbound identifier may be bound at once.
    public static let skipCooldown = PlantedDefects(rawValue: 1 << 1)
    /// A lease whose epoch has ended goes on being bound at it.
    public static let ignoreEpochOnBind = PlantedDefects(rawValue: 1 << 2)
    /// A drain answer counts for the mark in force, whichever mark it names.
    public static let acceptDelayedDrainAcknowledgement = PlantedDefects(rawValue: 1 << 3)
    /// A drained block still serves launches.
    public static let bindAfterPointOfNoReturn = PlantedDefects(rawValue: 1 << 4)
    /// The coordinator speaks before its store has what it speaks of.
    public static let leaseTwiceAfterFailover = PlantedDefects(rawValue: 1 << 5)
    /// The agent's journal says "durable" before it is.
    public static let loseJournalTail = PlantedDefects(rawValue: 1 << 6)
    /// A mark that an unreachable host does not answer counts as drained.
    public static let countUnreachableAsIdle = PlantedDefects(rawValue: 1 << 7)
    /// A hello that lists no leases frees those of its host.
    public static let freeOnEmptyInventory = PlantedDefects(rawValue: 1 << 8)
    /// The coordinator's clock is the wall clock.
    public static let quarantineByWallClock = PlantedDefects(rawValue: 1 << 9)
    /// The end of a reservation frees its idle leases at once.
    public static let expiryFreesWithoutHandshake = PlantedDefects(rawValue: 1 << 10)
    /// A removal waits for the owner alone.
    public static let reuseBeforePeerAcknowledgement = PlantedDefects(rawValue: 1 << 11)
    /// A second machine under one host id gets a grant while the first reports.
    public static let twoLiveBoots = PlantedDefects(rawValue: 1 << 12)
    /// Preemption takes bound blocks.
    public static let preemptBound = PlantedDefects(rawValue: 1 << 13)
    /// The destination of a migration may bind before the source has written down that the identifier leaves.
    public static let leaseBeforeDeparture = PlantedDefects(rawValue: 1 << 14)
    /// The port of a VM that migrates is open before its guest was heard.
    public static let openBeforeFirstFrame = PlantedDefects(rawValue: 1 << 15)
    /// The source of a migration forwards no more while peers may still send there.
    public static let dropBeforeAcknowledgement = PlantedDefects(rawValue: 1 << 16)
    /// A reboot of the host takes the identifiers of stopped VMs for those of dead ones.
    public static let forgetHolds = PlantedDefects(rawValue: 1 << 17)
    /// A host is told to send from its new endpoint before its peers take that.
    public static let switchBeforeAcknowledgement = PlantedDefects(rawValue: 1 << 18)

    /// All of them by the name that commands and documents use.
    public static let named: [(name: String, defect: PlantedDefects)] = [
        ("skip-quarantine", .skipQuarantine), ("skip-cooldown", .skipCooldown),
        ("ignore-epoch-on-bind", .ignoreEpochOnBind),
        ("accept-delayed-drain-acknowledgement", .acceptDelayedDrainAcknowledgement),
        ("bind-after-point-of-no-return", .bindAfterPointOfNoReturn),
        ("lease-twice-after-failover", .leaseTwiceAfterFailover), ("lose-journal-tail", .loseJournalTail),
        ("count-unreachable-as-idle", .countUnreachableAsIdle), ("free-on-empty-inventory", .freeOnEmptyInventory),
        ("quarantine-by-wall-clock", .quarantineByWallClock),
        ("expiry-frees-without-handshake", .expiryFreesWithoutHandshake),
        ("reuse-before-peer-acknowledgement", .reuseBeforePeerAcknowledgement), ("two-live-boots", .twoLiveBoots),
        ("preempt-bound", .preemptBound), ("lease-before-departure", .leaseBeforeDeparture),
        ("open-before-first-frame", .openBeforeFirstFrame),
        ("drop-before-acknowledgement", .dropBeforeAcknowledgement), ("forget-holds", .forgetHolds),
        ("switch-before-acknowledgement", .switchBeforeAcknowledgement),
    ]
}
