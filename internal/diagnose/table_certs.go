package diagnose

// certificateRules judge certificates by the clock of the machine they lie on.
func certificateRules() []rule {
	kube := func(c Code, s Severity, find func(view) []sighting, messages ...string) rule {
		return rule{code: c, severity: s, needs: []Need{NeedKubeCerts, NeedHost}, causes: []Code{ClockSkew, AuthorityExpired}, find: find, messages: messages}
	}
	return []rule{
		{code: AuthorityExpired, severity: Critical, needs: []Need{NeedKubeCerts, NeedCertificates}, causes: []Code{ClockSkew}, find: findAuthorityExpired,
			messages: []string{"x509: certificate has expired", "x509: certificate signed by unknown authority"}},
		{code: CertExpired, severity: Critical, needs: []Need{NeedCertificates, NeedHost}, causes: []Code{ClockSkew, AuthorityExpired}, find: findCerts(expired),
			messages: []string{"remote error: tls: expired certificate", "remote error: tls: bad certificate", "rejected connection on peer endpoint",
				"transport: authentication handshake failed: … certificate has expired or is not yet valid"},
			references: []string{"kubernetes/kubeadm#581", "kubernetes/kubernetes#78382"}},
		{code: CertNotYetValid, severity: Critical, needs: []Need{NeedCertificates, NeedHost}, causes: []Code{ClockSkew}, find: findCerts(notYetValid),
			messages: []string{"current time … is before …", "remote error: tls: expired certificate"}},
		{code: CertExpiring, severity: Warning, needs: []Need{NeedCertificates}, find: findCerts(expiring)},
		{code: ServesOldCert, severity: Warning, needs: []Need{NeedCertificates}, find: findServesOld},
		{code: CertWrongName, severity: Critical, needs: []Need{NeedCertificates}, find: findWrongName,
			messages:   []string{"certificate is valid for …, not …", "tls: … does not match any of DNSNames"},
			references: []string{"kubernetes/kubeadm#2614"}},
		kube(APIEtcdClientExpired, Critical, findKube(expiredOf("apiserver-etcd-client")), "rejected connection on client endpoint … certificate has expired",
			"error creating storage factory: context deadline exceeded"),
		kube(APICertExpired, Critical, findKube(expiredOf("apiserver")), "x509: certificate has expired or is not yet valid", "Unable to connect to the server: x509"),
		kube(APIClientExpired, Warning, findKube(expiredOf("apiserver-kubelet-client")), "the server has asked for the client to provide credentials"),
		kube(KubeletCertExpired, Critical, findKube(expiredOf("kubelet-client")), "part of the existing bootstrap client certificate in …kubelet.conf is expired",
			"unable to load bootstrap kubeconfig: stat …/bootstrap-kubelet.conf: no such file or directory",
			"The currently active client certificate has expired, but the server is not responsive"),
		kube(KubeconfigExpired, Critical, findKube(expiredOf("kubeconfig")), "error retrieving resource lock … Unauthorized", "You must be logged in to the server (Unauthorized)"),
		kube(FrontProxyExpired, Warning, findKube(expiredOf("front-proxy-client")), "x509: certificate has expired", "APIService … 503"),
		{code: KubeCertNotYetValid, severity: Critical, needs: []Need{NeedKubeCerts, NeedHost}, causes: []Code{ClockSkew}, find: findKube(earlyOf()),
			messages: []string{"current time … is before …", "remote error: tls: expired certificate"}},
		{code: ComponentCertExpired, severity: Info, needs: []Need{NeedKubeCerts, NeedHost}, causes: []Code{ClockSkew}, find: findComponentCerts,
			messages: []string{"x509: certificate has expired or is not yet valid", "Error from server: Get \"https://…:10250/containerLogs/…\": tls: failed to verify certificate"}},
		{code: KubeCertExpiring, severity: Warning, needs: []Need{NeedKubeCerts}, find: findKube(soonOf())},
		{code: APIServesOldCert, severity: Warning, needs: []Need{NeedKubeCerts, NeedAPIServers}, causes: []Code{APICertExpired}, find: findAPIServesOld,
			references: []string{"kubernetes/kubernetes#102556", "kubesphere/kubesphere#6185"}},
		{code: RenewalPartial, severity: Warning, needs: []Need{NeedKubeCerts}, find: findPartialRenewal},
	}
}

// authorityRules hold what has to be the same on every master, and what has to
// fit together on each.
func authorityRules() []rule {
	return []rule{
		{code: AuthorityDiffers, severity: Critical, needs: []Need{NeedIdentity}, find: findDiffers("ca"),
			messages: []string{"x509: certificate signed by unknown authority"}, references: []string{"kubernetes/kubernetes#72026"}},
		{code: EtcdAuthorityDiffers, severity: Critical, needs: []Need{NeedIdentity, NeedCertificates}, find: findEtcdAuthority,
			messages: []string{"x509: certificate signed by unknown authority", "remote error: tls: bad certificate"}},
		{code: FrontProxyDiffers, severity: Warning, needs: []Need{NeedIdentity}, find: findDiffers("front-proxy-ca"),
			messages: []string{"x509: certificate signed by unknown authority (… \"front-proxy-ca\")"}, references: []string{"digitalrebar/provision-content#296"}},
		{code: SAKeyDiffers, severity: Critical, needs: []Need{NeedIdentity}, find: findDiffers("service-account-public"),
			messages:   []string{"invalid bearer token, invalid signature, no keys found", "go-jose: error in cryptographic primitive"},
			references: []string{"kubernetes/kubernetes#110035"}},
		{code: SAKeyPairBroken, severity: Critical, needs: []Need{NeedIdentity}, causes: []Code{SAKeyDiffers}, find: findBrokenPair,
			messages: []string{"invalid bearer token, invalid signature, no keys found"}},
		{code: EncryptionDiffers, severity: Critical, needs: []Need{NeedIdentity, NeedEncryption}, find: findDiffers("encryption-config"),
			messages: []string{"no matching key was found for the provided AES transformer", "identity transformer tried to read encrypted data"}},
		{code: CertNotIssuedByCA, severity: Critical, needs: []Need{NeedKubeCerts, NeedCertificates}, causes: []Code{AuthorityDiffers, EtcdAuthorityDiffers, FrontProxyDiffers}, find: findNotIssued,
			messages: []string{"x509: certificate signed by unknown authority"}},
		{code: CertKeyMismatch, severity: Critical, needs: []Need{NeedKubeCerts}, find: findKeyMismatch,
			messages: []string{"tls: private key does not match public key"}},
		{code: KubeconfigOtherCA, severity: Warning, needs: []Need{NeedIdentity}, causes: []Code{AuthorityDiffers}, find: findOtherCA,
			messages: []string{"x509: certificate signed by unknown authority"}},
	}
}
