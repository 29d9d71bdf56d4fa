/// Rare paths that a fuzz session should have been on. A path never reached is a path never checked.
public enum Probe: Int, CaseIterable, Sendable {
    case agentKilled, agentPaused, hostRebooted, journalTailLost, journalTorn, journalFull, journalLost
    case journalForeign, journalRolledBack, journalBehindRefused, checkpointRestored
    case coordinatorKilled, coordinatorPaused, leaderChanged, deposedLeaderSpoke, deposedLeaderRefusedByStore
    case storeFull, snapshotRestored
    case streamBroken, streamHalfClosed, partitioned, keepaliveExpired, hostsPartitioned, latencySpike
    case staleSpeakerRefused, staleEpochRefused, updateGap, oldStreamSpokeAfterNew
    case kernelFailed, portFailed, dataplanePending, kernelSlow, kernelEntriesRemovedAtStart
    case clockStepped, cloneStarted, cloneRefused, reimaged, reimagedRefused, bootConflict
    case launchMissed, launchTimedOut, launchRefused, attachRepeated
    case detachDuringLaunch, followerAfterRelease, portPlugged, virtualMachineCrashed
    case markRefused, markAnsweredDrained, launchWonAgainstMark, drainTimedOut, staleDrainAnswer, forcedDrain
    case hostUnreachable, peerExcused, removalWaitedForOwner, quarantined, freed, reusedByAnotherHost
    case hostImpaired, debtIncurred, fenced, fencedHostWithdrew, hostThawed, hostReplaced, recoveryResolved,
        storeRestored,
        leaseSuperseded
    case preempted
    case leaseOrphaned, partialGrant, quotaRefused, poolExhausted, idempotentAnswer, reservationExpired
    case applicationDeleted, reclaimByHand, recoveryEntered, bindingsSuspended, packetDelivered, packetRefusedByFilter
    case packetRefusedByReceiver, packetForwarded
    case heldResumed, holdEnded, holdExtended, holdReleased, heldSurvivedKill, heldSurvivedReboot, heldTakenByForce
    case drainRefusedForHeld, migrationStarted, migrationRefused, migrated, flipDropped, migrationAborted
    case arrivalBeatAbort, abortRefused, strangerAtDestination, sourceLostMidway, destinationLostMidway
    case journalDamaged, pathSilent, pathNarrow, pathMended, endpointChanged, endpointSwitched
    case abortedBeforeSource, frozenMidway
    case sourceFencedMidway, destinationFencedMidway, takeoverMidway, sourceLostAfterFlip, identifierCameHome
}

/// How often each probe was reached.
public struct ProbeCounts: Sendable {
    private var counts = [UInt64](repeating: 0, count: Probe.allCases.count)

    public init() {}

    mutating func hit(_ probe: Probe) { counts[probe.rawValue] += 1 }

    public subscript(_ probe: Probe) -> UInt64 { counts[probe.rawValue] }

    public mutating func add(_ other: ProbeCounts) {
        for index in counts.indices { counts[index] += other.counts[index] }
    }

    public var neverReached: [Probe] { Probe.allCases.filter { counts[$0.rawValue] == 0 } }
}
