package diagnose

// backupRules judge what could be restored if it had to be.
func backupRules() []rule {
	return []rule{
		{code: BackupUnusable, severity: Warning, needs: []Need{NeedSnapshots}, find: findBackupUnusable,
			messages: []string{"snapshot missing hash but --skip-hash-check=false", "expected sha256 […], got […]", "seek …: invalid argument"}, references: []string{"etcd-io/etcd#18340", "gardener/etcd-backup-restore#749"}},
		{code: BackupNoDigest, severity: Info, needs: []Need{NeedSnapshots}, find: findBackupNoDigest,
			messages: []string{"snapshot missing hash but --skip-hash-check=false"}},
		{code: BackupOtherCluster, severity: Warning, needs: []Need{NeedSnapshots}, find: findBackupOther},
		{code: BackupNone, severity: Warning, needs: []Need{NeedPlaces, NeedSnapshots}, causes: []Code{BackupUnusable, BackupOtherCluster}, find: findBackupNone},
		{code: BackupStale, severity: Warning, needs: []Need{NeedSnapshots}, causes: []Code{BackupUnusable, BackupOtherCluster}, find: findBackupStale, passing: true},
		{code: BackupSameDisk, severity: Info, needs: []Need{NeedFileSystems}, find: findBackupSameDisk},
	}
}

// hazardRules are told only when the data is about to be put back: what of it
// would hurt afterwards.
func hazardRules() []rule {
	h := func(c Code, s Severity, find func(view) []sighting, refs ...string) rule {
		return rule{code: c, severity: s, needs: []Need{NeedHazards}, find: find, passing: true, references: refs}
	}
	return []rule{
		h(HazardEncryption, Critical, findHazardEncryption, "rancher/rke#2559", "kubernetes/kubernetes#66844"),
		h(HazardEssentials, Warning, findHazardEssentials),
		h(HazardAuthority, Warning, findHazardAuthority, "k0sproject/k0sctl#971", "kubernetes/kubeadm#2027"),
		h(HazardTokens, Warning, findHazardTokens, "kubernetes/kops#7054"),
		h(HazardWebhook, Warning, findHazardWebhooks, "openkruise/kruise#343", "open-policy-agent/gatekeeper#725", "cozystack/cozystack#3125"),
		h(HazardLeases, Warning, findHazardLeases, "kubernetes/kubernetes#86812", "kopeio/etcd-manager#248"),
		h(HazardNodes, Info, findHazardNodes, "k0sproject/k0sctl#971"),
		h(HazardVolumes, Warning, findHazardVolumes, "openshift/openshift-docs#33930"),
		h(HazardJobs, Info, findHazardJobs),
		h(HazardGroups, Warning, findHazardGroups),
		h(HazardDeleting, Info, findHazardDeleting),
		h(HazardDangling, Info, findHazardDangling),
	}
}
