/** What a page is about. */
export type PageKind =
  /** The rules refuse the request. */
  | 'denied'
  /** The request needs a step-up. */
  | 'step_up'
  /** A posted form needs a step-up; it was not sent. */
  | 'posted'
  /** A step-up was started without a session. */
  | 'no_session'
  /** A step-up came back too late, twice, or to another browser. */
  | 'expired'
  /** The person or the provider ended the step-up. */
  | 'cancelled'
  /** Somebody else stepped up. */
  | 'other_person'
  /** What the provider says is less than what is needed. */
  | 'too_weak'
  /** The provider cannot be reached, or does not answer as it should. */
  | 'provider_failed'
  /** The step-up was asked for again and again without success. */
  | 'too_often'
  /** The gateway in front of this service is not set up for its pages. */
  | 'not_set_up';

/** Texts of all pages in one language. */
export interface PageWords {
  /** Language tag (RFC 5646). */
  readonly tag: string;
  readonly pages: { readonly [kind in PageKind]: { readonly title: string; readonly text: string } };
  /** Before the number that the support desk can look up. */
  readonly reference: string;
  readonly links: { readonly [link in PageLinkName]: string };
}

/** What a link on a page does. */
export type PageLinkName =
  /** Starts the step-up. */
  | 'confirm'
  /** Starts it once more. */
  | 'again'
  /** Leads to where the person was. */
  | 'back';
