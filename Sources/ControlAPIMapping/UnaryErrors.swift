public import CoordinatorCore
public import FleetMapping
public import GRPCCore
import NetworkTypes

/// The one table from refusals of the coordinator to gRPC. The status tells a program what to do, the metadata entry
/// `outrider-code` tells the refusals of one status apart, the message tells a person what to do.
extension RPCError {
    /// Metadata key of the stable code.
    public static let codeKey = "outrider-code"

    public init(_ error: CoordinatorError) {
        let (status, code, message) = Self.row(error)
        self.init(code: status, message: message, metadata: [Self.codeKey: "\(code)"])
    }

    /// A request whose fields do not form a valid value.
    public init(_ error: MappingError) {
        self.init(
            code: .invalidArgument, message: error.description, metadata: [Self.codeKey: "invalid"])
    }

    private static func row(_ error: CoordinatorError) -> (RPCError.Code, String, String) {
        switch error {
        case .unknownApplication(let reference):
            (.notFound, "unknown-application", "no application '\(reference)'; 'outriderctl app list' names them")
        case .unknownSession(let id): (.notFound, "unknown-session", "no session \(id)")
        case .unknownReservation(let id):
            (.notFound, "unknown-reservation", "no reservation \(id) in force; it may have ended")
        case .unknownHost(let id): (.notFound, "unknown-host", "no host '\(id)' ever joined")
        case .exhausted(let wanted, let free):
            (
                .resourceExhausted, "exhausted",
                "\(wanted) identifiers wanted, \(free) free in the pool: reclaim what is idle, or widen the pool"
            )
        case .awaited(let wanted, let ahead):
            (
                .resourceExhausted, "awaited",
                "\(wanted) identifiers wanted, \(ahead) that are free or come free are for others who come first: higher "
                    + "classes, and who has waited longer"
            )
        case .quota(let cap, let owned, let wanted):
            (
                .resourceExhausted, "quota",
                "\(wanted) identifiers wanted beyond \(owned) owned, the cap is \(cap): raise the application's cap"
            )
        case .conflict(let expected, let actual):
            (
                .aborted, "conflict",
                "revision \(expected) is stale, \(actual) is in force: read the application again and repeat"
            )
        case .outsidePool(let range): (.outOfRange, "outside-pool", "\(range) is not inside the pool")
        case .duplicateName(let name):
            (.alreadyExists, "duplicate-name", "an application named '\(name)' exists; choose another name")
        case .duplicate(let what):
            (.alreadyExists, "duplicate", "\(what) was used before with another content; use a new one")
        case .invalid(let field, let why): (.invalidArgument, "invalid", "field \(field): \(why)")
        case .refused(let users):
            (
                .failedPrecondition, "in-use",
                "in use by \(Self.list(users)): stop these VMs first"
            )
        case .deleting(let reference):
            (.failedPrecondition, "deleting", "application '\(reference)' is being deleted; use another one")
        case .restoring(let awaited):
            (
                .unavailable, "restoring",
                "the store was restored from a backup and waits for what hosts hold "
                    + "(\(awaited.prefix(8).map(\.description).joined(separator: ", "))): bring them back, or go on "
                    + "without them with 'outriderctl restore end'"
            )
        case .staleSharding(let version, let inForce): (.aborted, "stale-sharding", stale(version, inForce))
        case .newerSharding(let found, let supported):
            (.failedPrecondition, "newer-sharding", newer(found, supported))
        case .anotherPool(let field):
            (.invalidArgument, "another-pool", "\(field) of the document is of another pool: it never changes")
        case .notReady: (.unavailable, "not-ready", "the coordinator is still reading its store; try again")
        }
    }

    private static func stale(_ version: UInt64, _ inForce: UInt64) -> String {
        "version \(version) of the document is stale, \(inForce) is in force: export it again, make the change there and "
            + "raise its version"
    }

    private static func newer(_ found: Int, _ supported: Int) -> String {
        "the document has format \(found), this coordinator knows formats up to \(supported): upgrade it, or make the "
            + "change in a document that it exports"
    }

    /// A message stays readable however many users there are.
    private static func list(_ users: [VMInterface]) -> String {
        let shown = users.prefix(8).map(\.description).joined(separator: ", ")
        return users.count > 8 ? "\(shown) and \(users.count - 8) more" : shown
    }
}
