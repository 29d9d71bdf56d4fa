import CSystemShim
import Dispatch
import Glibc
import NetworkTypes
import Synchronization

/// Why the socket could not be opened.
public enum VarlinkServerError: Error, Hashable, Sendable {
    /// Somebody else answers on it: another agent with the same socket in its configuration.
    case inUse(path: String)
    case system(operation: String, path: String, errno: Int32)
}

/// What `org.varlink.service.GetInfo` says.
public struct VarlinkServiceInfo: Hashable, Sendable {
    public var vendor: String
    public var product: String
    public var version: String
    public var url: String
    public init(vendor: String = "outrider", product: String, version: String, url: String = "") {
        self.vendor = vendor
        self.product = product
        self.version = version
        self.url = url
    }
}

/// Bounds on what callers may take.
public struct VarlinkLimits: Hashable, Sendable {
    /// One message, bytes.
    public var messageBytesMax: Int
    /// Further callers wait for a place, and are turned away when none gets free in time: each connection has a descriptor and a buffer.
    public var connectionsMax: Int
    /// A caller waits this long for a place. Hooks of many VMs that start together take no longer than that.
    public var placeWaitSeconds: Int
    /// A caller that doesn't read its reply for this long is cut off.
    public var sendTimeoutSeconds: Int
    public init(
        messageBytesMax: Int = 1 << 20, connectionsMax: Int = 64, placeWaitSeconds: Int = 2,
        sendTimeoutSeconds: Int = 5
    ) {
        self.placeWaitSeconds = placeWaitSeconds
        self.messageBytesMax = messageBytesMax
        self.connectionsMax = connectionsMax
        self.sendTimeoutSeconds = sendTimeoutSeconds
    }
}

/// A Varlink service on a Unix stream socket (varlink.org): JSON messages ended by NUL, replies in the order of calls.
public final class VarlinkServer: Sendable {
    /// Answers one call of an interface other than `org.varlink.service`.
    public typealias Handler = @Sendable (VarlinkCall, VarlinkPeer) async -> Result<JSONValue, VarlinkFailure>

    public let path: String
    private let descriptor: Int32
    private let waiter: SocketWaiter
    private let group: UInt32?
    private let info: VarlinkServiceInfo
    private let interfaces: [String: String]
    private let limits: VarlinkLimits
    private let handler: Handler
    private let places: DispatchSemaphore
    private let queue = DispatchQueue(label: "outrider.varlink")

    /// Listens on `path` with mode 0660 and the given group. `interfaces`: description text by interface name.
    public static func listen(
        path: String, group: UInt32?, info: VarlinkServiceInfo, interfaces: [String: String],
        limits: VarlinkLimits = VarlinkLimits(), handler: @escaping Handler
    ) throws(VarlinkServerError) -> VarlinkServer {
        let result = unsafe outrider_unix_listen(path, 128, 0o660, group.map(Int64.init) ?? -1)
        if result == -EADDRINUSE { throw .inUse(path: path) }
        guard result >= 0 else { throw .system(operation: "listen", path: path, errno: -result) }
        let waiter: SocketWaiter
        do throws(SocketWaiter.Refusal) {
            waiter = try SocketWaiter()
        } catch {
            LocalSocket.close(result)
            LocalSocket.unlink(path)
            throw .system(operation: "wait for callers", path: path, errno: error.code)
        }
        return VarlinkServer(
            path: path, descriptor: result, waiter: waiter, group: group, info: info, interfaces: interfaces,
            limits: limits,
            handler: handler)
    }

    private init(
        path: String, descriptor: Int32, waiter: SocketWaiter, group: UInt32?, info: VarlinkServiceInfo,
        interfaces: [String: String],
        limits: VarlinkLimits, handler: @escaping Handler
    ) {
        self.path = path
        self.descriptor = descriptor
        self.waiter = waiter
        self.group = group
        self.info = info
        self.interfaces = interfaces
        self.limits = limits
        self.handler = handler
        places = DispatchSemaphore(value: limits.connectionsMax)
    }

    /// Serves until the task is cancelled; then the socket's file is gone and every connection closed.
    public func run() async {
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                while let accepted = await accept() {
                    group.addTask {
                        await self.serve(accepted)
                        self.places.signal()
                    }
                }
                group.cancelAll()
            }
        } onCancel: {
            LocalSocket.shutDown(descriptor)
        }
        waiter.stop()
        LocalSocket.close(descriptor)
        LocalSocket.unlink(path)
    }

    /// A connection that has a place; nil after the listener was shut down.
    private func accept() async -> Int32? {
        await withCheckedContinuation { done in
            queue.async { done.resume(returning: self.acceptOne()) }
        }
    }

    private func acceptOne() -> Int32? {
        while true {
            guard LocalSocket.waitReadable(descriptor, milliseconds: -1) else { continue }
            let accepted = outrider_unix_accept(descriptor)
            switch -accepted {
            case ..<1:
                if places.wait(timeout: .now() + .seconds(limits.placeWaitSeconds)) == .success { return accepted }
                LocalSocket.close(accepted)
            // The caller is gone again, or there is no room for a descriptor now: neither ends the service.
            case ECONNABORTED, EAGAIN: continue
            case EMFILE, ENFILE, ENOMEM, ENOBUFS: LocalSocket.pause(milliseconds: 50)
            default: return nil
            }
        }
    }

    private func serve(_ descriptor: Int32) async {
        LocalSocket.setSendTimeout(descriptor, seconds: limits.sendTimeoutSeconds)
        let connection = VarlinkConnection(descriptor: descriptor, waiter: waiter, limits: limits)
        let peer = LocalSocket.peer(of: descriptor)
        await withTaskCancellationHandler {
            while let message = await connection.next() {
                guard await answer(message, from: peer, on: connection) else { break }
            }
        } onCancel: {
            connection.stop()
        }
        connection.close()
    }

    /// False ends the connection.
    private func answer(_ message: [UInt8], from peer: VarlinkPeer?, on connection: VarlinkConnection) async -> Bool {
        let limits = JSONValue.Limits(bytes: limits.messageBytesMax)
        // What is not a call can't be answered: the stream is out of step.
        guard let json = try? JSONValue(parsing: message, limits: limits), let call = VarlinkCall(json: json) else {
            return false
        }
        guard let peer, isAllowed(peer) else {
            let failure = VarlinkFailure(
                name: "io.outrider.Agent.PermissionDenied", parameters: ["uid": .integer(Int64(peer?.uid ?? 0))])
            _ = await connection.send(Self.reply(.failure(failure)))
            return false
        }
        let result = await dispatch(call, from: peer)
        return call.oneway ? true : await connection.send(Self.reply(result))
    }

    /// The file's mode already keeps others out; this holds where the mode was changed by hand.
    private func isAllowed(_ peer: VarlinkPeer) -> Bool {
        if peer.uid == 0 || peer.uid == LocalSocket.ownUser { return true }
        guard let group else { return false }
        return peer.gid == group || peer.groups.contains(group)
    }

    private func dispatch(_ call: VarlinkCall, from peer: VarlinkPeer) async -> Result<JSONValue, VarlinkFailure> {
        switch call.method {
        case "org.varlink.service.GetInfo":
            let names = (["org.varlink.service"] + interfaces.keys.sorted()).map { JSONValue.string($0) }
            return .success([
                "vendor": .string(info.vendor), "product": .string(info.product), "version": .string(info.version),
                "url": .string(info.url), "interfaces": .array(names),
            ])
        case "org.varlink.service.GetInterfaceDescription":
            guard let name = call.parameters["interface"]?.text else {
                return .failure(.invalidParameter("interface", reason: "the name of an interface"))
            }
            let text = name == "org.varlink.service" ? VarlinkService.description : interfaces[name]
            guard let text else { return .failure(.interfaceNotFound(name)) }
            return .success(["description": .string(text)])
        default:
            guard let dot = call.method.lastIndex(of: ".") else { return .failure(.methodNotFound(call.method)) }
            let interface = String(call.method[..<dot])
            if interface == "org.varlink.service" { return .failure(.methodNotFound(call.method)) }
            guard interfaces[interface] != nil else { return .failure(.interfaceNotFound(interface)) }
            return await handler(call, peer)
        }
    }

    private static func reply(_ result: Result<JSONValue, VarlinkFailure>) -> [UInt8] {
        let json: JSONValue =
            switch result {
            case .success(let parameters): ["parameters": parameters]
            case .failure(let failure): ["error": .string(failure.name), "parameters": failure.parameters]
            }
        return json.encoded() + [0]
    }
}

/// The interface that every Varlink service has (varlink.org, "The org.varlink.service interface").
enum VarlinkService {
    static let description = """
        # The Varlink Service Interface is provided by every varlink service. It describes the service and the
        # interfaces it implements.
        interface org.varlink.service

        # Get a list of all the interfaces a service provides and information about the implementation.
        method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)

        # Get the description of an interface that is implemented by this service.
        method GetInterfaceDescription(interface: string) -> (description: string)

        # The requested interface was not found.
        error InterfaceNotFound (interface: string)

        # The requested method was not found
        error MethodNotFound (method: string)

        # The interface defines the requested method, but the service does not implement it.
        error MethodNotImplemented (method: string)

        # One of the passed parameters is invalid.
        error InvalidParameter (parameter: string)

        """
}
