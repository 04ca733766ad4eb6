package plan

import "github.com/salvor-project/salvor/internal/say"

// Kind implements Action.
func (StopMember) Kind() Kind { return KindStopMember }

// Risk implements Action.
func (StopMember) Risk() Risk { return RiskLow }

// Text implements Action.
func (a StopMember) Text() say.Text {
	if a.Loose {
		return say.New("action.stop-member-loose", a.Member)
	}
	return say.New("action."+string(a.Kind()), a.Member)
}

func (StopMember) action() {}

// Kind implements Action.
func (StartMember) Kind() Kind { return KindStartMember }

// Risk implements Action.
func (StartMember) Risk() Risk { return RiskLow }

// Text implements Action.
func (a StartMember) Text() say.Text { return say.New("action."+string(a.Kind()), a.Member) }

func (StartMember) action() {}

// Kind implements Action.
func (Salvage) Kind() Kind { return KindSalvage }

// Risk implements Action.
func (Salvage) Risk() Risk { return RiskNone }

// Text implements Action.
func (a Salvage) Text() say.Text {
	switch {
	case a.Scattered:
		return say.New("action.scavenge", a.DB)
	case a.WALDir == "":
		return say.New("action.salvage-alone", a.DB)
	}
	return say.New("action."+string(a.Kind()), a.DB, a.WALDir)
}

func (Salvage) action() {}

// Kind implements Action.
func (CheckImage) Kind() Kind { return KindCheckImage }

// Risk implements Action.
func (CheckImage) Risk() Risk { return RiskNone }

// Text implements Action.
func (a CheckImage) Text() say.Text { return say.New("action."+string(a.Kind()), a.Path) }

func (CheckImage) action() {}

// Kind implements Action.
func (CopyFiles) Kind() Kind { return KindCopyFiles }

// Risk implements Action.
func (CopyFiles) Risk() Risk { return RiskNone }

// Text implements Action.
func (a CopyFiles) Text() say.Text { return say.New("action."+string(a.Kind()), a.From, a.FromHost) }

func (CopyFiles) action() {}

// Kind implements Action.
func (BuildMember) Kind() Kind { return KindBuildMember }

// Risk implements Action.
func (BuildMember) Risk() Risk { return RiskNone }

// Text implements Action.
func (a BuildMember) Text() say.Text { return say.New("action."+string(a.Kind()), a.Member, a.Dir) }

func (BuildMember) action() {}

// Kind implements Action.
func (SetAside) Kind() Kind { return KindSetAside }

// Risk implements Action.
func (SetAside) Risk() Risk { return RiskLow }

// Text implements Action.
func (a SetAside) Text() say.Text { return say.New("action."+string(a.Kind()), a.From, a.To) }

func (SetAside) action() {}

// Kind implements Action.
func (PutInPlace) Kind() Kind { return KindPutInPlace }

// Risk implements Action.
func (PutInPlace) Risk() Risk { return RiskLow }

// Text implements Action.
func (a PutInPlace) Text() say.Text { return say.New("action."+string(a.Kind()), a.To) }

func (PutInPlace) action() {}

// Kind implements Action.
func (AwaitQuorum) Kind() Kind { return KindAwaitQuorum }

// Risk implements Action.
func (AwaitQuorum) Risk() Risk { return RiskNone }

// Text implements Action.
func (a AwaitQuorum) Text() say.Text { return say.New("action."+string(a.Kind()), a.Member, a.Voters) }

func (AwaitQuorum) action() {}

// Kind implements Action.
func (SaveSnapshot) Kind() Kind { return KindSaveSnapshot }

// Risk implements Action.
func (SaveSnapshot) Risk() Risk { return RiskNone }

// Text implements Action.
func (a SaveSnapshot) Text() say.Text { return say.New("action."+string(a.Kind()), a.Member) }

func (SaveSnapshot) action() {}

// Kind implements Action.
func (RemoveMember) Kind() Kind { return KindRemoveMember }

// Risk implements Action.
func (RemoveMember) Risk() Risk { return RiskHigh }

// Text implements Action.
func (a RemoveMember) Text() say.Text { return say.New("action."+string(a.Kind()), a.Name, a.ID) }

func (RemoveMember) action() {}

// Kind implements Action.
func (AddLearner) Kind() Kind { return KindAddLearner }

// Risk implements Action.
func (AddLearner) Risk() Risk { return RiskHigh }

// Text implements Action.
func (a AddLearner) Text() say.Text { return say.New("action."+string(a.Kind()), a.Name) }

func (AddLearner) action() {}

// Kind implements Action.
func (PromoteLearner) Kind() Kind { return KindPromoteLearner }

// Risk implements Action.
func (PromoteLearner) Risk() Risk { return RiskHigh }

// Text implements Action.
func (a PromoteLearner) Text() say.Text { return say.New("action."+string(a.Kind()), a.Name) }

func (PromoteLearner) action() {}

// Kind implements Action.
func (Compact) Kind() Kind { return KindCompact }

// Risk implements Action.
func (Compact) Risk() Risk { return RiskHigh }

// Text implements Action.
func (a Compact) Text() say.Text { return say.New("action."+string(a.Kind()), a.Revision) }

func (Compact) action() {}

// Kind implements Action.
func (Defragment) Kind() Kind { return KindDefragment }

// Risk implements Action.
func (Defragment) Risk() Risk { return RiskLow }

// Text implements Action.
func (a Defragment) Text() say.Text { return say.New("action."+string(a.Kind()), a.Member) }

func (Defragment) action() {}

// Kind implements Action.
func (DisarmAlarm) Kind() Kind { return KindDisarmAlarm }

// Risk implements Action.
func (DisarmAlarm) Risk() Risk { return RiskLow }

// Text implements Action.
func (a DisarmAlarm) Text() say.Text { return say.New("action."+string(a.Kind()), a.Type) }

func (DisarmAlarm) action() {}

// Kind implements Action.
func (Canary) Kind() Kind { return KindCanary }

// Risk implements Action.
func (Canary) Risk() Risk { return RiskNone }

// Text implements Action.
func (a Canary) Text() say.Text { return say.New("action."+string(a.Kind()), a.Through) }

func (Canary) action() {}

// Kind implements Action.
func (Discard) Kind() Kind { return KindDiscard }

// Risk implements Action.
func (Discard) Risk() Risk { return RiskHigh }

// Text implements Action.
func (a Discard) Text() say.Text { return say.New("action."+string(a.Kind()), a.Path) }

func (Discard) action() {}
