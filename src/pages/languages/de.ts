import type { PageWords } from '../words.ts';

export const german: PageWords = {
  tag: 'de',
  pages: {
    denied: {
      title: 'Das ist nicht möglich',
      text: 'Ihre Anfrage wurde abgelehnt, es wurde nichts geändert. Wenn Sie Hilfe brauchen, nennen Sie dem Support die Referenz unten.',
    },
    step_up: {
      title: 'Bitte bestätigen Sie Ihre Identität',
      text: 'Für diese Seite müssen Sie Ihre Identität erneut bestätigen.',
    },
    posted: {
      title: 'Ihre Eingaben wurden nicht gesendet',
      text: 'Bitte bestätigen Sie zuerst Ihre Identität. Danach kommen Sie zum Formular zurück und können es erneut absenden. Bisher wurde nichts geändert.',
    },
    no_session: {
      title: 'Bitte melden Sie sich zuerst an',
      text: 'Sie sind nicht angemeldet, oder Ihre Sitzung ist abgelaufen. Melden Sie sich an und öffnen Sie die Seite dann noch einmal.',
    },
    expired: {
      title: 'Diese Bestätigung ist nicht mehr gültig',
      text: 'Sie wurde vor zu langer Zeit oder in einem anderen Browser begonnen, oder sie ist schon abgeschlossen. Gehen Sie zurück zur gewünschten Seite und versuchen Sie es noch einmal.',
    },
    cancelled: {
      title: 'Sie haben nicht bestätigt',
      text: 'Die Bestätigung wurde abgebrochen, es wurde nichts geändert.',
    },
    other_person: {
      title: 'Es wurde ein anderes Konto benutzt',
      text: 'Sie haben mit einem anderen Konto bestätigt als dem, mit dem Sie angemeldet sind. Bitte benutzen Sie dasselbe Konto.',
    },
    too_weak: {
      title: 'Eine stärkere Bestätigung ist nötig',
      text: 'Diese Art der Bestätigung reicht für die Seite nicht aus. Versuchen Sie es noch einmal mit einem Passkey oder einer anderen stärkeren Methode Ihres Kontos.',
    },
    provider_failed: {
      title: 'Der Anmeldedienst antwortet nicht',
      text: 'Ihre Identität konnte nicht bestätigt werden. Bitte versuchen Sie es in einigen Minuten noch einmal.',
    },
    too_often: {
      title: 'Zu viele Versuche',
      text: 'Die Bestätigung ist mehrmals fehlgeschlagen. Bitte warten Sie zehn Minuten, bevor Sie es noch einmal versuchen, oder nennen Sie dem Support die Referenz unten.',
    },
    not_set_up: {
      title: 'Diese Seite ist hier nicht verfügbar',
      text: 'Die Website ist nicht vollständig eingerichtet. Bitte nennen Sie dem Support die Referenz unten.',
    },
  },
  reference: 'Referenz',
  links: { confirm: 'Bestätigen', again: 'Noch einmal versuchen', back: 'Zurück' },
};
