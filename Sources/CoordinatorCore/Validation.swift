import NetworkTypes
import SNISpace

extension CoordinatorConfiguration {
    /// Longest length of time that is accepted anywhere: a year.
    static let durationMax = Duration.seconds(366 * 86_400)

    func validate() throws(CoordinatorError) {
        func require(_ holds: Bool, _ field: String, _ why: String) throws(CoordinatorError) {
            guard holds else { throw .invalid(field: field, why: why) }
        }
        let isPower = chunkSize > 0 && chunkSize & (chunkSize - 1) == 0
        try require(
            isPower && PoolPlan.chunkOrders.contains(chunkSize.trailingZeroBitCount), "chunk-size",
            "must be a power of two from 256 to 65536")
        try require(
            SNIBlock.leasableSizes.contains(blockSize) && blockSize & (blockSize - 1) == 0, "block-size",
            "must be a power of two from 4 to 256")
        try require(!pool.isEmpty, "pool", "must name at least one range FIRST-LAST")
        let top = pool.map(\.end).max() ?? 0
        try require(
            Int(top) <= overlay.capacity, "pool", "ends at \(top - 1), beyond what \(overlay.ipv4) can address")
        try require((576...65_485).contains(overlayMTU), "overlay-mtu", "must be from 576 to 65485")
        try require(overlayMTU >= 1280, "overlay-mtu", "must be at least 1280, which IPv6 needs (RFC 8200 section 5)")
        try require(vxlanPort > 0, "vxlan-port", "must be from 1 to 65535")
        try require(!horizons.isEmpty, "horizons", "must name at least one")
        try require(profilesMax > 0, "profiles-max", "must be at least 1")
        let durations: [(String, Duration)] = [
            ("aggregate-interval", aggregateInterval), ("decision-interval", decisionInterval),
            ("lead-time", leadTime), ("cooldown", cooldown), ("quarantine", quarantine),
            ("reservation-lifetime", reservationLifetime), ("standard-lifetime", standardLifetime),
            ("bind-until", bindUntil), ("unreachable-after", unreachableAfter), ("drain-timeout", drainTimeout),
        ]
        for (field, duration) in durations + horizons.map({ ("horizons", $0) }) {
            try require(
                duration > .zero && duration <= Self.durationMax, field,
                "must be longer than nothing and at most a year")
        }
        try require(
            unreachableAfter >= aggregateInterval, "unreachable-after",
            "must not be shorter than the aggregate interval, in which a healthy host is silent")
    }
}

extension CoordinatorError {
    init(_ error: BookError) {
        switch error {
        case .exhausted(let wanted, let free): self = .exhausted(wanted: wanted, free: free)
        case .awaited(let wanted, let ahead): self = .awaited(wanted: wanted, ahead: ahead)
        case .quota(let cap, let owned, let wanted): self = .quota(cap: cap, owned: owned, wanted: wanted)
        case .nothingReserved(_, let size): self = .exhausted(wanted: size, free: 0)
        case .unknownReservation(let id): self = .unknownReservation(id)
        case .unknownBlock(let block): self = .invalid(field: "block", why: "nobody leases \(block)")
        case .stale(let block, let named, let inForce):
            self = .invalid(field: "epoch", why: "\(block) is at epoch \(inForce), not \(named)")
        case .wrongState(let block, let state, let verb):
            self = .invalid(field: "block", why: "\(block) is \(state.rawValue), which does not allow \(verb.rawValue)")
        case .keyReused(let key): self = .duplicate(key)
        case .stillOwns(let application, let identifiers):
            self = .invalid(field: "application", why: "\(application) still owns \(identifiers) identifiers")
        case .retired(let application):
            self = .invalid(field: "application", why: "\(application) was deleted and does not come back")
        case .subleased(let block, let count):
            self = .invalid(field: "block", why: "\(count) identifiers of \(block) are sub-leased")
        case .outsidePool(let range): self = .outsidePool(range)
        case .overlapping(let range, let other):
            self = .invalid(field: "range", why: "\(range) and \(other) share identifiers")
        case .notExcluded(let range): self = .invalid(field: "range", why: "\(range) is not being excluded")
        case .invalid(let field, let why): self = .invalid(field: field, why: why)
        case .contradictory(let part, let why): self = .invalid(field: part, why: why)
        }
    }

    /// Stable code, as agents know it.
    public var code: String {
        switch self {
        case .unknownApplication: "unknown-application"
        case .unknownSession: "unknown-session"
        case .unknownReservation: "unknown-reservation"
        case .unknownHost: "unknown-host"
        case .exhausted: "exhausted"
        case .awaited: "awaited"
        case .quota: "quota"
        case .conflict: "conflict"
        case .outsidePool: "outside-pool"
        case .duplicateName: "duplicate-name"
        case .duplicate: "duplicate"
        case .invalid: "invalid"
        case .refused: "refused"
        case .deleting: "deleting"
        case .restoring: "restoring"
        case .staleSharding: "stale-sharding"
        case .newerSharding: "newer-sharding"
        case .anotherPool: "another-pool"
        case .notReady: "not-ready"
        }
    }
}

extension CoordinatorError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unknownApplication(let reference):
            "no application '\(reference)'; list them with outriderctl app list"
        case .unknownSession(let id): "no session \(id)"
        case .unknownReservation(let id): "no reservation \(id) in force"
        case .unknownHost(let id): "no host '\(id)' has joined"
        case .exhausted(let wanted, let free):
            "no room for \(wanted) identifiers in one piece (\(free) free in all); reclaim some or enlarge the pool"
        case .awaited(let wanted, let ahead):
            "no room for \(wanted) identifiers: \(ahead) that are free, or come free, are for others who come first"
        case .quota(let cap, let owned, let wanted):
            "\(wanted) more identifiers would exceed the cap of \(cap) (owned: \(owned)); raise the application's cap"
        case .conflict(let expected, let actual):
            "revision \(expected) is stale, \(actual) is in force; read again and repeat"
        case .outsidePool(let range): "\(range) is outside the pool or excluded from it"
        case .duplicateName(let name): "an application named '\(name)' exists"
        case .duplicate(let what): "'\(what)' was used before with another content"
        case .invalid(let field, let why): "\(field): \(why)"
        case .refused(let users):
            "in use by \(users.prefix(8).map(\.description).joined(separator: ", "))"
                + (users.count > 8 ? " and \(users.count - 8) more" : "") + "; stop these VMs first"
        case .deleting(let name): "application '\(name)' is being deleted"
        case .restoring(let awaited):
            "the store was restored from a backup and waits for what hosts hold ("
                + awaited.prefix(8).map(\.description).joined(separator: ", ")
                + "); bring them back, or go on without them with outriderctl restore end"
        case .staleSharding(let version, let inForce):
            "sharding document \(version) is stale, \(inForce) is in force; export it again, and raise its version"
        case .newerSharding(let found, let supported):
            "the sharding document has format \(found), this program knows up to \(supported); upgrade the coordinator"
        case .anotherPool(let field): "\(field) of the sharding document is of another pool, and never changes"
        case .notReady: "the coordinator is still recovering; try again"
        }
    }
}
