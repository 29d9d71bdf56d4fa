import Foundation
import LocalAPI
import NetworkTypes
import Synchronization
import Testing

/// An agent that remembers what it was asked.
struct EchoAgent: AgentService {
    func attach(_ call: AttachCall) async throws(AgentFailure) -> LocalAPI.Attachment {
        if call.interface.vm == "none" { throw .noIdentifiers(code: "exhausted", detail: "pool") }
        if let wait = call.timeout { try? await Task.sleep(for: wait) }
        return LocalAPI.Attachment(
            sni: SessionNetworkID(unchecked: UInt32(call.interface.nic)), ipv4: IPv4Address(1),
            ipv6: IPv6Address(high: 1, low: 2), gateway4: IPv4Address(3), gateway6: .linkLocal(1), mtu: 1450,
            port: call.interface.vm, mac: call.mac ?? MACAddress(2), priority: "standard", servedFrom: "staged")
    }
    func plug(_ call: PlugCall) async throws(AgentFailure) -> LocalAPI.Attachment {
        throw .noSuchBinding(call.interface)
    }
    func detach(_ call: DetachCall) async throws(AgentFailure) {}
    func resolve() async throws(AgentFailure) { throw .recovering }
    func status() async throws(AgentFailure) -> AgentStatusReport { throw .recovering }
    func drops() async throws(AgentFailure) -> DropReport { CallTests.drops }
}

@Suite struct SocketTests {
    static func call(_ vm: String, nic: Int = 0, timeout: Duration? = nil) throws -> AttachCall {
        AttachCall(
            application: ApplicationID(UUID128(high: 1, low: 1)),
            interface: try #require(VMInterface(vm: vm, nic: nic)),
            port: .later, timeout: timeout)
    }

    /// Runs `body` on a thread of its own, since the client blocks, while a server listens.
    func withServer(
        group: UInt32? = nil, limits: VarlinkLimits = VarlinkLimits(),
        _ body: @escaping @Sendable (String) throws -> Void
    ) async throws {
        let path = NSTemporaryDirectory() + "otr-\(UUID().uuidString.prefix(8)).sock"
        let server = try VarlinkServer.listen(
            path: path, group: group, version: "1", limits: limits, agent: EchoAgent())
        let serving = Task { await server.run() }
        let result: Result<Void, any Error> = await withCheckedContinuation { done in
            Thread { done.resume(returning: Result { try body(path) }) }.start()
        }
        serving.cancel()
        await serving.value
        #expect(!FileManager.default.fileExists(atPath: path))
        try result.get()
    }

    @Test func callsAndErrors() async throws {
        try await withServer { path in
            var client = try AgentClient(path: path)
            let answer = try client.attach(Self.call("vm1", nic: 7), timeout: .seconds(120))
            #expect(answer.sni.rawValue == 7 && answer.port == "vm1" && answer.mtu == 1450)
            try client.detach(DetachCall(interface: #require(VMInterface(vm: "x", nic: 0))))
            let refused = #expect(throws: AgentCallError.self) { try client.attach(Self.call("none")) }
            #expect(refused == .agent(.noIdentifiers(code: "exhausted", detail: "pool")))
            #expect(refused?.exitCode == 75)
            #expect(throws: AgentCallError.agent(.recovering)) { try client.status() }
        }
    }

    @Test func serviceInterface() async throws {
        try await withServer { path in
            var client = try VarlinkClient(path: path)
            let info = try client.call("org.varlink.service.GetInfo")
            #expect(info["interfaces"] == .array(["org.varlink.service", "io.outrider.Agent"]))
            let text = try client.call(
                "org.varlink.service.GetInterfaceDescription", ["interface": "io.outrider.Agent"])
            #expect(text["description"]?.text == AgentInterface.description)
            for (method, error) in [
                ("io.outrider.Agent.Fly", "org.varlink.service.MethodNotFound"),
                ("io.other.Thing.Do", "org.varlink.service.InterfaceNotFound"),
                ("nodots", "org.varlink.service.MethodNotFound"),
            ] {
                let failure = #expect(throws: VarlinkClientError.self) { try client.call(method) }
                guard case .failed(let known)? = failure else {
                    Issue.record("\(method): \(failure as Any)")
                    continue
                }
                #expect(known.name == error)
            }
        }
    }

    @Test func pipelinedCallsAreAnsweredInOrder() async throws {
        try await withServer { path in
            var client = try VarlinkClient(path: path)
            for nic in 0..<100 {
                // The first ones take longest, so only the order of the calls can give the order of the answers.
                let wait: Duration? = nic < 3 ? .milliseconds(30 - 10 * nic) : nil
                let call = try Self.call("vm", nic: nic, timeout: wait)
                try client.send(VarlinkCall(method: "io.outrider.Agent.Attach", parameters: call.json))
            }
            for nic in 0..<100 {
                #expect(try client.receive("Attach", timeout: .seconds(120))["sni"] == .integer(Int64(nic)))
            }
        }
    }

    /// Callers that hang up at every moment of the server's wait for their next call, many at a time.
    @Test func callersThatHangUpDoNotEndIt() async throws {
        try await withServer { path in
            let failures = Mutex<[String]>([])
            let done = DispatchGroup()
            for lane in 0..<4 {
                done.enter()
                Thread {
                    defer { done.leave() }
                    do {
                        let interface = try #require(VMInterface(vm: "vm\(lane)", nic: 0))
                        for _ in 0..<5000 {
                            var client = try AgentClient(path: path)
                            try client.detach(DetachCall(interface: interface))
                            let end = ContinuousClock.now + .nanoseconds(Int.random(in: 0...100_000))
                            while ContinuousClock.now < end {}
                        }
                    } catch {
                        failures.withLock { $0.append("\(error)") }
                    }
                }.start()
            }
            done.wait()
            #expect(failures.withLock { $0 } == [])
        }
    }

    @Test func manyConnectionsAtOnce() async throws {
        try await withServer { path in
            var clients: [Box] = []
            for _ in 0..<40 { clients.append(Box(try VarlinkClient(path: path))) }
            for (nic, client) in clients.enumerated() {
                let call = try Self.call("vm", nic: nic)
                try client.value.send(VarlinkCall(method: "io.outrider.Agent.Attach", parameters: call.json))
            }
            for (nic, client) in clients.enumerated() {
                #expect(try client.value.receive("Attach", timeout: .seconds(120))["sni"] == .integer(Int64(nic)))
            }
        }
    }

    @Test func garbageEndsTheConnectionAndNothingElse() async throws {
        try await withServer(limits: VarlinkLimits(messageBytesMax: 4096)) { path in
            let bad: [JSONValue] = [
                .object([:]), .array([]), ["method": 1], ["method": "a.B", "parameters": .array([])],
                ["method": .string(String(repeating: "x", count: 5000))], ["method": "a.B", "upgrade": true],
            ]
            for json in bad {
                #expect(throws: VarlinkClientError.self) {
                    var raw = try RawConnection(path: path)
                    try raw.send(json.encoded() + [0])
                    if try raw.readAll().isEmpty { throw VarlinkClientError.broken(reason: "closed, as it should be") }
                }
            }
            var raw = try RawConnection(path: path)
            try raw.send(Array(repeating: 0x7B, count: 10_000))
            #expect(try raw.readAll().isEmpty)
            var client = try AgentClient(path: path)
            #expect(try client.attach(Self.call("still-here")).port == "still-here")
        }
    }

    @Test func deadlineOfACall() async throws {
        try await withServer { path in
            var client = try AgentClient(path: path)
            let late = try Self.call("vm", timeout: .milliseconds(400))
            #expect(throws: AgentCallError.connection(.timedOut(method: "io.outrider.Agent.Attach", milliseconds: 50)))
            {
                try client.attach(late, timeout: .milliseconds(50))
            }
        }
    }

    @Test func nobodyListens() {
        let error = #expect(throws: VarlinkClientError.self) { _ = try VarlinkClient(path: "/nonexistent/agent.sock") }
        #expect(error?.exitCode == 69)
    }

    @Test func socketInUseIsRefusedAndAStaleFileReplaced() async throws {
        try await withServer { path in
            #expect(throws: VarlinkServerError.inUse(path: path)) {
                _ = try VarlinkServer.listen(path: path, group: nil, version: "1", agent: EchoAgent())
            }
            var client = try AgentClient(path: path)
            #expect(try client.attach(Self.call("vm")).port == "vm")
        }
    }

    @Test func whoComesInACrowdWaitsForAPlace() async throws {
        try await withServer(limits: VarlinkLimits(connectionsMax: 1, placeWaitSeconds: 60)) { path in
            let method = "org.varlink.service.GetInfo"
            var second: VarlinkClient
            do {
                var first = try VarlinkClient(path: path)
                _ = try first.call(method)
                second = try VarlinkClient(path: path)
                try second.send(VarlinkCall(method: method))
                // Long enough to be turned away.
                #expect(throws: VarlinkClientError.self) { try second.receive(method, timeout: .milliseconds(200)) }
            }
            #expect(try second.receive(method)["product"] != nil)
        }
    }

    @Test func whoFindsNoPlaceIsTurnedAway() async throws {
        try await withServer(limits: VarlinkLimits(connectionsMax: 1, placeWaitSeconds: 0)) { path in
            var first = try VarlinkClient(path: path)
            _ = try first.call("org.varlink.service.GetInfo")
            var second = try VarlinkClient(path: path)
            #expect(throws: VarlinkClientError.self) { try second.call("org.varlink.service.GetInfo") }
            _ = try first.call("org.varlink.service.GetInfo")
        }
    }

    @Test func othersAreKeptOut() async throws {
        try await withServer(group: 65534) { path in
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o660)
            #expect(attributes[.groupOwnerAccountID] as? Int == 65534)
            let member = try Self.python(path, uid: 12345, gid: 65534, groups: [])
            #expect(member.contains("\"vendor\""))
            let supplementary = try Self.python(path, uid: 12345, gid: 12345, groups: [65534])
            #expect(supplementary.contains("\"vendor\""))
            #expect(try Self.python(path, uid: 12345, gid: 12345, groups: []).contains("PermissionError"))
            // Also where somebody opened the file's mode to all.
            try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: path)
            let denied = try Self.python(path, uid: 12345, gid: 12345, groups: [])
            #expect(denied.contains("io.outrider.Agent.PermissionDenied") && denied.contains("12345"))
        }
    }

    /// GetInfo by an independent client under other credentials.
    static func python(_ path: String, uid: Int, gid: Int, groups: [Int]) throws -> String {
        let script = """
            import os, socket, sys
            os.setgroups(\(groups)); os.setgid(\(gid)); os.setuid(\(uid))
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.settimeout(120)
            try:
                s.connect(sys.argv[1])
                s.sendall(b'{"method":"org.varlink.service.GetInfo"}\\0')
                data = b''
                while not data.endswith(b'\\0'):
                    part = s.recv(65536)
                    if not part: break
                    data += part
                print(data.rstrip(b'\\0').decode())
            except Exception as e:
                print(type(e).__name__)
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        process.arguments = ["-c", script, path]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}

/// A client inside an array.
final class Box {
    var value: VarlinkClient
    init(_ value: consuming VarlinkClient) { self.value = value }
}

/// Bytes as they are, to say what no client would.
struct RawConnection: ~Copyable {
    private let descriptor: Int32

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        let result = unsafe withUnsafePointer(to: address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw VarlinkClientError.unavailable(path: path, errno: errno) }
    }

    deinit { close(descriptor) }

    mutating func send(_ bytes: [UInt8]) throws {
        let count = unsafe bytes.withUnsafeBytes {
            unsafe Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count == bytes.count else { throw VarlinkClientError.broken(reason: "sent \(count)") }
    }

    /// Everything until the other side closes.
    mutating func readAll() throws -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
            guard count > 0 else { return all }
            all += buffer[0..<count]
        }
    }
}
